// SPDX-License-Identifier: Apache-2.0

// Command buyer orders from the shop: each order once, so many at a time, and prints how often it got which status.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	url := flag.String("url", "", "URL of the shop's gateway")
	first := flag.Int("first", 1, "number of the first order")
	orders := flag.Int("orders", 100, "how many orders")
	concurrent := flag.Int("concurrent", 1, "how many at a time")
	flag.Parse()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: *concurrent}}
	var next atomic.Int64
	var mu sync.Mutex
	got := map[string]int{}
	var buyers sync.WaitGroup
	for range *concurrent {
		buyers.Go(func() {
			for n := int(next.Add(1)) - 1; n < *orders; n = int(next.Add(1)) - 1 {
				status := buy(client, fmt.Sprintf("%s/orders/%d", *url, *first+n))
				mu.Lock()
				got[status]++
				mu.Unlock()
			}
		})
	}
	buyers.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(got); err != nil {
		log.Fatal(err)
	}
}

// buy returns the status as text, or the error.
func buy(client *http.Client, url string) string {
	resp, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err.Error()
	}
	return fmt.Sprint(resp.StatusCode)
}
