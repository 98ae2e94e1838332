// SPDX-License-Identifier: Apache-2.0

//go:build vm

package guest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// The ports of a server.
const (
	portHTTP = 8080
	portDNS  = 53
	portEcho = 7
)

// answerIP is what every name has, except those that begin with "nothing".
var answerIP = netip.MustParseAddr("192.0.2.1")

// serve listens on all addresses of its network namespace, IPv4 and IPv6.
func serve() error {
	ln, err := net.Listen("tcp", fmt.Sprintf(":%d", portHTTP))
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: routes(), ReadHeaderTimeout: time.Minute, Protocols: &http.Protocols{}}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = srv.Serve(ln) }()
	for port, answer := range map[int]func([]byte) []byte{portDNS: answerDNS, portEcho: func(b []byte) []byte { return b }} {
		if err := answerDatagrams(port, answer); err != nil {
			return err
		}
	}
	return nil
}

func routes() http.Handler {
	mux := http.NewServeMux()
	// A flavour begins without connections of the one before: what is older than sonde is not what is asked here.
	caller := http.Client{Transport: &http.Transport{IdleConnTimeout: 2 * time.Second}}
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.WriteHeader(code)
	})
	mux.HandleFunc("/bytes/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		w.Header().Set("Content-Length", strconv.Itoa(n))
		_, _ = io.WriteString(w, strings.Repeat("x", n))
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintln(w, n)
	})
	mux.HandleFunc("/by-causes", func(w http.ResponseWriter, _ *http.Request) { // calls another server before it answers
		resp, err := caller.Get("http://10.77.1.1:8080/by-causes/inner")
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		_, _ = io.Copy(w, resp.Body)
	})
	mux.Handle("/h2/", http.StripPrefix("/h2", mux)) // what goes over HTTP/2 is known by its path
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	return mux
}

func answerDatagrams(port int, answer func([]byte) []byte) error {
	for _, network := range []string{"udp4", "udp6"} {
		c, err := net.ListenPacket(network, fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		go func() {
			buf := make([]byte, 1<<16)
			for {
				n, from, err := c.ReadFrom(buf)
				if err != nil {
					return
				}
				_, _ = c.WriteTo(answer(buf[:n]), from)
			}
		}()
	}
	return nil
}

func answerDNS(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.Additionals = true, nil
	q := m.Questions[0]
	if strings.HasPrefix(q.Name.String(), "nothing") {
		m.RCode = dnsmessage.RCodeNameError
	} else {
		h := dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 60}
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: answerIP.As4()}}}
	}
	b, _ := m.Pack()
	return b
}

// startServer starts the server process in a network namespace and returns its process id.
func startServer(in *space) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self)
	cmd.Env, cmd.Stderr = append(os.Environ(), asServer+"=1"), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := in.within(cmd.Start); err != nil {
		return 0, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		return 0, errors.Join(fmt.Errorf("the server in %s says %q", in.name, line), err)
	}
	return cmd.Process.Pid, nil
}

// must ends a test whose surroundings do not work.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
