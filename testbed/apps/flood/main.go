// SPDX-License-Identifier: Apache-2.0

// Command flood sends HTTP/1.1 requests no two of which are alike, pipelined over some connections, and prints how many were
// answered as JSON.
//
// Each has a path and a host of its own, and every fourth a method: what an attacker does who wants an observer to run out of
// memory. All that is made up begins with "zq", so that it is found wherever it turns up. It is no load client: packages load
// and loadclient measure, this one does not.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	addr := flag.String("addr", "", "server address")
	conns := flag.Int("conns", 4, "connections")
	depth := flag.Int("depth", 16, "requests that are sent before their answers are read")
	n := flag.Int("n", 1, "requests in all")
	limit := flag.Duration("d", time.Minute, "time after which no more are sent")
	flag.Parse()
	f := &flood{addr: *addr, depth: *depth, end: time.Now().Add(*limit)}
	f.left.Store(int64(*n))
	var all sync.WaitGroup
	for range *conns {
		all.Go(func() {
			if err := f.connection(); err != nil {
				log.Fatal(err)
			}
		})
	}
	all.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(map[string]int64{"Answered": f.answered.Load()}); err != nil {
		log.Fatal(err)
	}
}

type flood struct {
	addr           string
	depth          int
	end            time.Time
	left, answered atomic.Int64
}

// connection sends until nothing is left or the time is over.
func (f *flood) connection() error {
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	answers := bufio.NewReader(c)
	var out strings.Builder
	for time.Now().Before(f.end) {
		out.Reset()
		n := 0
		for ; n < f.depth; n++ {
			number := f.left.Add(-1)
			if number < 0 {
				break
			}
			request(&out, uint64(number))
		}
		if n == 0 {
			return nil
		}
		if _, err := io.WriteString(c, out.String()); err != nil {
			return err
		}
		for range n {
			if err := f.answer(answers); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *flood) answer(r *bufio.Reader) error {
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return fmt.Errorf("read an answer: %w", err)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return fmt.Errorf("read an answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	f.answered.Add(1)
	return nil
}

// request appends request number n.
func request(to *strings.Builder, n uint64) {
	word, method := word(n), "GET"
	if n%4 == 0 {
		method = "ZQ" + strings.ToUpper(word)
	}
	fmt.Fprintf(to, "%s /any/zq%s/zq%s HTTP/1.1\r\nHost: zq%s.example\r\n\r\n", method, word, word, word)
}

// word spells a number in letters: digits would look like the identifier of something.
func word(n uint64) string {
	n = n * 0x9E3779B97F4A7C15 >> 20 // near numbers give words that have nothing in common; 44 bits of an odd product differ
	var b [10]byte
	for i := range b {
		b[i] = 'a' + byte(n%26)
		n /= 26
	}
	return string(b[:])
}
