// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// exchangeCommand starts this program again as the observed process: prototype (a) does not look at its own calls.
const exchangeCommand = "exchange"

// transcript is what the client knows to have sent and received: the truth that records are held against.
type transcript struct {
	Port      uint16
	Requests  int
	Responses int
	Sent      []byte
	Received  []byte
}

// exchange is one awkward way to move bytes. run plays the client, and the server too unless nginx does.
type exchange struct {
	name string
	what string
	loss bool
	run  func(web webPorts) (transcript, error)
}

type webPorts struct{ plain, deferred uint16 }

var exchanges = []exchange{
	{
		name: "keep-alive", what: "5 requests one after the other, nginx (writev)",
		run: func(w webPorts) (transcript, error) { return talk(w.plain, requests(5, 1), 0) },
	},
	{
		name: "sendfile", what: "1 MB file by nginx sendfile",
		run: func(w webPorts) (transcript, error) { return talk(w.plain, one("/big"), 0) },
	},
	{name: "splice", what: "server splices both ways through a pipe", run: ownServer(spliceServer)},
	{name: "io_uring", what: "server uses IORING_OP_RECV and SEND", run: ownServer(uringServer)},
	{name: "zerocopy", what: "server uses recvmsg and sendmsg(MSG_ZEROCOPY)", run: ownServer(zerocopyServer)},
	{name: "peek", what: "server peeks twice, then reads", run: ownServer(peekServer)},
	{name: "first byte alone", what: "5 requests to Go net/http, which reads 1 byte ahead", run: goServer},
	{
		name: "two writes", what: "5 requests, each cut in the method by 10 ms, nginx",
		run: func(w webPorts) (transcript, error) { return talk(w.plain, requests(5, 1), 10*time.Millisecond) },
	},
	{
		name: "pipelined", what: "2 writes of 5 requests, nginx",
		run: func(w webPorts) (transcript, error) { return talk(w.plain, requests(10, 5), 0) },
	},
	{
		name: "deferred accept", what: "first data creates the socket (TCP_DEFER_ACCEPT), nginx",
		run: func(w webPorts) (transcript, error) { return talk(w.deferred, requests(2, 1), 0) },
	},
	{
		name: "loss", what: "1 MB sendfile, every 5th data packet dropped on loopback", loss: true,
		run: func(w webPorts) (transcript, error) { return talk(w.plain, one("/big"), 0) },
	},
}

func exchangeMain(name string, args []string) int {
	plain, _ := strconv.ParseUint(args[0], 10, 16)
	deferred, _ := strconv.ParseUint(args[1], 10, 16)
	for _, e := range exchanges {
		if e.name != name {
			continue
		}
		t, err := e.run(webPorts{uint16(plain), uint16(deferred)})
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(t)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "exchange %s: %v\n", name, err)
			return 1
		}
		return 0
	}
	return 2
}

// batch is what the client sends before it waits for that many responses.
type batch struct {
	bytes    []byte
	requests int
}

// requests returns n requests in batches; the last one closes the connection.
func requests(n, perBatch int) []batch {
	var batches []batch
	for i := range n {
		if i%perBatch == 0 {
			batches = append(batches, batch{})
		}
		last := &batches[len(batches)-1]
		closing := ""
		if i == n-1 {
			closing = "Connection: close\r\n"
		}
		last.bytes = fmt.Appendf(last.bytes, "GET /%d HTTP/1.1\r\nHost: x\r\n%s\r\n", i, closing)
		last.requests++
	}
	return batches
}

func one(path string) []batch {
	return []batch{{fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path), 1}}
}

// talk sends the batches and reads the responses; a pause cuts each batch after its second byte.
func talk(port uint16, batches []batch, pause time.Duration) (transcript, error) {
	t := transcript{Port: port}
	conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return t, err
	}
	defer conn.Close()
	var received bytes.Buffer
	responses := bufio.NewReader(io.TeeReader(conn, &received))
	for _, b := range batches {
		if err := send(conn, b.bytes, pause); err != nil {
			return t, err
		}
		t.Sent = append(t.Sent, b.bytes...)
		t.Requests += b.requests
		for range b.requests {
			if err := discardResponse(responses); err != nil {
				return t, err
			}
			t.Responses++
		}
	}
	_, err = io.Copy(io.Discard, responses)
	t.Received = received.Bytes()
	return t, err
}

func send(conn net.Conn, b []byte, pause time.Duration) error {
	if pause > 0 {
		if _, err := conn.Write(b[:2]); err != nil {
			return err
		}
		time.Sleep(pause)
		b = b[2:]
	}
	_, err := conn.Write(b)
	return err
}

func discardResponse(r *bufio.Reader) error {
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func goServer(webPorts) (transcript, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return transcript{}, err
	}
	defer l.Close()
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("y", 1000))
		}))
	}()
	return talk(uint16(l.Addr().(*net.TCPAddr).Port), requests(5, 1), 0)
}
