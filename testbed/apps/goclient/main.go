// SPDX-License-Identifier: Apache-2.0

// Command goclient sends what its standard input says over one keep-alive connection of net/http.
//
// A line "METHOD PATH BODYBYTES" is one request; the answer, once read to its end, is printed as "METHOD PATH STATUS". All
// clients of the testbed speak this, so that a test can hold a connection open while the agent starts.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	client := &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var method, path string
		var body int
		if _, err := fmt.Sscan(lines.Text(), &method, &path, &body); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		status, err := send(client, method, os.Args[1]+path, body)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(method, path, status)
	}
}

func send(client *http.Client, method, url string, body int) (int, error) {
	var r io.Reader
	if body > 0 {
		r = strings.NewReader(strings.Repeat("b", body))
	}
	req, err := http.NewRequest(method, url, r)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}
