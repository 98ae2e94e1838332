// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package probes

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"sonde/probes/event"
)

// gathered returns what records copied of one direction: the bytes by place, and a mark on each that was copied. size is the
// number of bytes that were sent.
func gathered(t *testing.T, pieces []piece, size int) (text []byte, have []bool) {
	t.Helper()
	text, have = make([]byte, size), make([]bool, size)
	first := pieces[0].Seq
	put := func(from uint32, p []byte) {
		for i, b := range p {
			at := int(from-first) + i
			if at >= size {
				t.Fatalf("byte %d of %d", at, size)
			}
			text[at], have[at] = b, true
		}
	}
	for _, p := range pieces {
		put(p.Seq, p.head)
		put(p.end()-uint32(len(p.tail)), p.tail)
	}
	return text, have
}

// number of the bytes that were copied.
func number(have []bool) (n int) {
	for _, h := range have {
		if h {
			n++
		}
	}
	return n
}

// whole checks that all of what was sent was copied.
func whole(t *testing.T, pieces []piece, sent []byte) {
	t.Helper()
	told(t, pieces, sent)
	if text, have := gathered(t, pieces, len(sent)); number(have) != len(sent) || !bytes.Equal(text, sent) {
		t.Errorf("%d bytes copied of %d", number(have), len(sent))
	}
}

func TestConversationsOfKnownProtocolsAreCopied(t *testing.T) {
	value := strings.Repeat("v", 300)
	for name, c := range map[string]struct{ ask, answer string }{
		"Redis": {"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$300\r\n" + value + "\r\n", "$300\r\n" + value + "\r\n"},
		"PostgreSQL": {
			"Q\x00\x00\x01\x38SELECT '" + value[:299] + "';\x00",
			"T\x00\x00\x00\x21\x00\x01?column?\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x19\xff\xff\xff\xff\xff\xff\x00\x00" +
				"D\x00\x00\x01\x36\x00\x01\x00\x00\x01\x2c" + value + "C\x00\x00\x00\x0dSELECT 1\x00Z\x00\x00\x00\x05I",
		},
		"Redis, inline": {"SET key " + value + "\r\n", "$300\r\n" + value + "\r\n"},
		"memcached":     {"set key 0 0 300\r\n" + value + "\r\n", "STORED\r\n"},
		"MySQL":         {"\x33\x01\x00\x00\x03SELECT '" + value[:296] + "'   ", "\x07\x00\x00\x01\x00\x01\x00\x02\x00\x00\x00" + value},
		"NATS":          {"PUB a.b 300\r\n" + value + "\r\n", "+OK\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := watched(t, nil)
			var asked, answered []byte
			for range 20 {
				say(t, p.client, p.server, []byte(c.ask))
				say(t, p.server, p.client, []byte(c.answer))
				asked, answered = append(asked, c.ask...), append(answered, c.answer...)
			}
			w.settle()
			for _, end := range [][]piece{w.segments(p.serverPort, p.clientPort), w.segments(p.clientPort, p.serverPort)} {
				toServer := of(event.DirReceived, end)
				toClient := of(event.DirSent, end)
				if end[0].Tuple.LocalPort == p.clientPort {
					toServer, toClient = toClient, toServer
				}
				whole(t, toServer, asked)
				whole(t, toClient, answered)
			}
		})
	}
}

// A long answer ends with what says whether it went well.
func TestLongAnswerOfADatabaseIsCutAndKeepsItsEnd(t *testing.T) {
	w, c := watched(t, nil)
	text := []byte("D\x00\x00\xc3\x50\x00\x01\x00\x00\xc3\x46" + strings.Repeat("r", 49_990) + "C\x00\x00\x00\x0dSELECT 1\x00Z\x00\x00\x00\x05I")
	for range 3 {
		say(t, c.client, c.server, []byte("Q\x00\x00\x00\x0eSELECT 1;\x00"))
		say(t, c.server, c.client, text)
	}
	w.settle()
	sent := of(event.DirSent, w.segments(c.serverPort, c.clientPort))
	told(t, sent, bytes.Repeat(text, 3))
	_, have := gathered(t, sent, 3*len(text))
	for turn := range 3 {
		one := have[turn*len(text) : (turn+1)*len(text)]
		if n := number(one); n < 8192 || n > 2*8192+2*64 { // twice as long as there is something saved
			t.Errorf("answer %d: %d bytes copied", turn, n)
		}
		if number(one[:8192]) != 8192 || number(one[len(one)-64:]) != 64 {
			t.Errorf("answer %d: not its first 8 KiB and its last 64 bytes", turn)
		}
	}
	if w.set.Counter(event.CounterLostRequestsReceived) != 0 {
		t.Error("requests of HTTP were counted")
	}
}

// Clients ask on before they have their answers, in writes of 16 KiB (redis-cli) or of all they have to ask.
func TestPipelineIsCopiedWholeUpToWhatIsSaved(t *testing.T) {
	w, c := watched(t, nil)
	ask := []byte("*2\r\n$4\r\nINCR\r\n$7\r\ncounter\r\n")
	ask = bytes.Repeat(ask, 16384/len(ask))
	say(t, c.client, c.server, []byte("*1\r\n$4\r\nPING\r\n"))
	say(t, c.server, c.client, []byte("+PONG\r\n"))
	w.settle()
	w.all = nil
	for range 8 {
		say(t, c.client, c.server, ask)
	}
	w.settle()
	whole(t, of(event.DirReceived, w.segments(c.serverPort, c.clientPort)), bytes.Repeat(ask, 8))
	began := time.Now()
	w.all = nil
	for range 400 {
		say(t, c.client, c.server, ask)
	}
	limit := 2 * 8192 * int(10+time.Since(began)/(9*time.Millisecond))
	w.settle()
	_, have := gathered(t, of(event.DirReceived, w.segments(c.serverPort, c.clientPort)), 400*len(ask))
	if n := number(have); n > limit+400*3*64 {
		t.Errorf("%d bytes copied, at most %d are due", n, limit)
	}
}

// Who only listens never ends a turn of who speaks.
func TestSubscriberGoesOnToBeHeard(t *testing.T) {
	w, c := watched(t, nil)
	message := []byte("MSG a.b 1 500\r\n" + strings.Repeat("m", 500) + "\r\n")
	say(t, c.client, c.server, []byte("SUB a.b 1\r\n"))
	var sent []byte
	for range 40 { // two and a half budgets
		say(t, c.server, c.client, message)
		sent = append(sent, message...)
		time.Sleep(2 * time.Millisecond)
	}
	w.settle()
	whole(t, of(event.DirSent, w.segments(c.serverPort, c.clientPort)), sent)
	whole(t, of(event.DirReceived, w.segments(c.clientPort, c.serverPort)), sent)
}

func TestConnectionThatWasGivenUpIsTakenAgain(t *testing.T) {
	w, c := watched(t, nil)
	for range 10 {
		say(t, c.client, c.server, bytes.Repeat([]byte{0xff}, 100))
		say(t, c.server, c.client, bytes.Repeat([]byte{0xfe}, 100))
	}
	w.settle()
	w.all = nil
	ask := []byte("*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n")
	say(t, c.client, c.server, ask)
	say(t, c.server, c.client, []byte("$-1\r\n"))
	w.settle()
	whole(t, of(event.DirReceived, w.segments(c.serverPort, c.clientPort)), ask)
	whole(t, of(event.DirSent, w.segments(c.serverPort, c.clientPort)), []byte("$-1\r\n"))
}

// Some clients write the length of a message before the message.
func TestMessageThatComesInPiecesIsKnown(t *testing.T) {
	w, c := watched(t, nil)
	ask := []byte("\x00\x00\x00\x2c\x00\x12\x00\x04\x00\x00\x00\x01\x00\x07console\x00" + strings.Repeat("k", 26))
	var sent []byte
	for range 20 {
		say(t, c.client, c.server, ask[:4])
		say(t, c.client, c.server, ask[4:])
		say(t, c.server, c.client, []byte("\x00\x00\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00"))
		sent = append(sent, ask...)
	}
	w.settle()
	whole(t, of(event.DirReceived, w.segments(c.serverPort, c.clientPort)), sent)
}

// The body behind 100 Continue is a turn of its own, whatever it looks like.
func TestBodyThatLooksLikeRedisIsABody(t *testing.T) {
	w, c := watched(t, nil)
	body := []byte("$5000\r\n" + strings.Repeat("b", 5000))
	for range 3 {
		say(t, c.client, c.server, []byte("PUT / HTTP/1.1\r\nContent-Length: 5007\r\nExpect: 100-continue\r\n\r\n"))
		say(t, c.server, c.client, []byte("HTTP/1.1 100 Continue\r\n\r\n"))
		say(t, c.client, c.server, body)
		say(t, c.server, c.client, answer(2000))
	}
	w.settle()
	n := 0
	for _, p := range w.segments(c.serverPort, c.clientPort) {
		n += len(p.head)
	}
	if n > 3*(200+256+512) {
		t.Errorf("%d bytes copied: this is no longer HTTP", n)
	}
}

func TestWhatFollowsAnUpgradeIsCopied(t *testing.T) {
	w, c := watched(t, nil)
	ask := []byte("GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	answer := []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	say(t, c.client, c.server, ask)
	say(t, c.server, c.client, answer)
	frame := append([]byte{0x82, 0x7e, 0x03, 0x20}, bytes.Repeat([]byte{0xee}, 800)...)
	for range 20 {
		say(t, c.client, c.server, frame)
		say(t, c.server, c.client, frame)
		ask, answer = append(ask, frame...), append(answer, frame...)
	}
	w.settle()
	whole(t, of(event.DirReceived, w.segments(c.serverPort, c.clientPort)), ask)
	whole(t, of(event.DirSent, w.segments(c.serverPort, c.clientPort)), answer)
}

// certificate of a server that nobody has to trust.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"a"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestHandshakeOfTLSIsCopiedAndNothingAfterIt(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			w, c := watched(t, nil)
			server := tls.Server(c.server, &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MaxVersion: version})
			client := tls.Client(c.client, &tls.Config{InsecureSkipVerify: true, ServerName: "a"})
			echoed := make(chan error, 1)
			go func() { _, err := io.Copy(server, server); _ = c.server.CloseWrite(); echoed <- err }()
			if err := client.Handshake(); err != nil {
				t.Fatal(err)
			}
			w.settle()
			var hello []byte
			for _, p := range of(event.DirReceived, w.segments(c.serverPort, c.clientPort)) {
				hello = append(hello, p.head...)
			}
			if len(hello) < 200 || hello[0] != 0x16 || hello[5] != 1 {
				t.Errorf("%d bytes of ClientHello", len(hello))
			}
			for range 4 {
				b := []byte("some words")
				if _, err := client.Write(b); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(client, b); err != nil {
					t.Fatal(err)
				}
			}
			w.settle()
			w.all = nil
			for range 20 {
				b := bytes.Repeat([]byte("w"), 5000)
				if _, err := client.Write(b); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(client, b); err != nil {
					t.Fatal(err)
				}
			}
			w.settle()
			if n := len(w.segments(c.serverPort, c.clientPort)) + len(w.segments(c.clientPort, c.serverPort)); n != 0 {
				t.Errorf("%d records of encrypted data", n)
			}
			_ = client.Close()
			<-echoed
			w.until("end of both directions", func() bool {
				all := w.segments(c.serverPort, c.clientPort)
				return ended(of(event.DirReceived, all)) && ended(of(event.DirSent, all))
			})
		})
	}
}

// query is a question of DNS for a name of one label.
func query(id uint16, label string) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = append(b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, byte(len(label)))
	return append(append(b, label...), 0, 0, 1, 0, 1)
}

// reply is the answer to it, with as many addresses as asked for.
func reply(question []byte, addresses int) []byte {
	b := bytes.Clone(question)
	b[2], b[3], b[7] = 0x81, 0x80, byte(addresses)
	for range addresses {
		b = append(b, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 1)
	}
	return b
}

// grams returns the datagrams of a local port, with what was copied.
func (w *watch) grams(local uint16) (all []event.Datagram, heads [][]byte) {
	for _, r := range w.all {
		if r.Kind() != event.KindDatagram {
			continue
		}
		d := event.As[event.Datagram](r)
		if d.Tuple.LocalPort != local {
			continue
		}
		head, ok := event.DatagramHead(r, d)
		if !ok {
			w.t.Fatalf("datagram says head %d, len %d in %d bytes", d.Head, d.Len, len(r))
		}
		all, heads = append(all, *d), append(heads, head)
	}
	return all, heads
}

// exchange sends a datagram each way. Both sockets belong to this process.
func exchange(t *testing.T, client net.Conn, server *net.UDPConn, ask, answer []byte) {
	t.Helper()
	b := make([]byte, 4096)
	if _, err := client.Write(ask); err != nil {
		t.Fatal(err)
	}
	n, from, err := server.ReadFrom(b)
	if err != nil || !bytes.Equal(b[:n], ask) {
		t.Fatal(n, err)
	}
	if _, err := server.WriteTo(answer, from); err != nil {
		t.Fatal(err)
	}
	if n, err = client.Read(b); err != nil || !bytes.Equal(b[:n], answer) {
		t.Fatal(n, err)
	}
}

func udpServer(t *testing.T, address string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.UDPConn)
}

func dialUDP(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// The server's socket is not connected and knows no peer, the client's is.
func TestDatagramsOfDNSMakeRecordsAtBothEnds(t *testing.T) {
	for name, address := range map[string]string{"IPv4": "127.0.0.1", "IPv6": "[::1]"} {
		t.Run(name, func(t *testing.T) {
			server := udpServer(t, ":0")
			p := port(server.LocalAddr())
			w := load(t, func(c *Config) { c.Scope.Ports = []uint16{p} })
			client := dialUDP(t, fmt.Sprintf("%s:%d", address, p))
			ask := query(77, "example")
			answer := reply(ask, 80) // 1305 bytes
			exchange(t, client, server, ask, answer)
			w.until("four records", func() bool {
				a, _ := w.grams(p)
				b, _ := w.grams(port(client.LocalAddr()))
				return len(a) == 2 && len(b) == 2
			})
			for _, end := range []struct {
				local, remote net.Addr
				dirs          [2]uint8
			}{
				{client.LocalAddr(), client.RemoteAddr(), [2]uint8{event.DirSent, event.DirReceived}},
				{client.RemoteAddr(), client.LocalAddr(), [2]uint8{event.DirReceived, event.DirSent}},
			} {
				all, heads := w.grams(port(end.local))
				for i, want := range [][]byte{ask, answer} {
					d := all[i]
					if d.Dir != end.dirs[i] || int(d.Len) != len(want) || !bytes.Equal(heads[i], want) {
						t.Errorf("direction %d, %d bytes, %d copied; want %d, %d", d.Dir, d.Len, len(heads[i]), end.dirs[i], len(want))
					}
					if event.LocalAddr(&d.Tuple).String() != end.local.String() || event.RemoteAddr(&d.Tuple).String() != end.remote.String() {
						t.Errorf("%v to %v, want %v to %v", event.LocalAddr(&d.Tuple), event.RemoteAddr(&d.Tuple), end.local, end.remote)
					}
					if d.Hdr.Sock == 0 || d.Hdr.Sock != all[0].Hdr.Sock || d.Tuple.Netns == 0 {
						t.Errorf("socket %x, namespace %d", d.Hdr.Sock, d.Tuple.Netns)
					}
				}
			}
		})
	}
}

func TestOtherDatagramsMakeNoRecords(t *testing.T) {
	server := udpServer(t, "127.0.0.1:0")
	p := port(server.LocalAddr())
	w := load(t, func(c *Config) { c.Scope.Ports = []uint16{p} })
	client := dialUDP(t, server.LocalAddr().String())
	exchange(t, client, server, []byte("requests:1|c"), bytes.Repeat([]byte{0x40}, 1400))
	exchange(t, client, server, query(1, "a"), query(1, "a")[:11])
	w.settle()
	a, _ := w.grams(p)
	if len(a) != 1 || len(w.all) > 4 { // the query, and actors
		t.Errorf("%d datagrams, %d records", len(a), len(w.all))
	}
}

func TestDatagramsOfOtherPortsAndOfOwnSocketsMakeNoRecords(t *testing.T) {
	server, aside := udpServer(t, "127.0.0.1:0"), udpServer(t, "127.0.0.1:0")
	p := port(server.LocalAddr())
	w := load(t, func(c *Config) { c.Scope.Ports = []uint16{p} })
	own := dialUDP(t, server.LocalAddr().String()).(*net.UDPConn)
	raw, err := own.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) { err = w.set.Ignore(int(fd)) })
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, own, server, query(1, "a"), reply(query(1, "a"), 1))
	exchange(t, dialUDP(t, aside.LocalAddr().String()), aside, query(1, "a"), reply(query(1, "a"), 1))
	w.settle()
	at, _ := w.grams(p)
	mine, _ := w.grams(port(own.LocalAddr()))
	other, _ := w.grams(port(aside.LocalAddr()))
	if len(at) != 2 || len(mine) != 0 || len(other) != 0 {
		t.Errorf("%d at the server, %d at the own socket, %d of another port", len(at), len(mine), len(other))
	}
}

func TestLostDatagramsAreCounted(t *testing.T) {
	server := udpServer(t, "127.0.0.1:0")
	w := load(t, func(c *Config) { c.Scope.Ports, c.RingBytes = []uint16{port(server.LocalAddr())}, 4096 })
	client := dialUDP(t, server.LocalAddr().String())
	for range 100 {
		exchange(t, client, server, query(1, "a"), reply(query(1, "a"), 10))
	}
	read, _ := w.grams(port(server.LocalAddr()))
	lost := w.set.Counter(event.CounterLost + uint32(event.KindDatagram))
	l := w.set.Lost(1)
	if len(read) != 0 || lost < 300 || l == nil || l.Records-l.Lifecycle < lost {
		t.Errorf("%d lost, %+v", lost, l)
	}
}
