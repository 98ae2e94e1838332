// SPDX-License-Identifier: Apache-2.0

// Package test compiles the pure C of the kernel side on the host and holds it against tables, and against the parsers of
// user space that have the last word. It needs a C compiler and no kernel; what needs one is in probes itself.
package test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"sonde/agent/protocol"
	"sonde/agent/protocol/http1"
)

// inferBytes is INFER_BYTES of infer.h.
const inferBytes = 16

// guess is enum event_guess.
type guess byte

const (
	none guess = iota
	maybe
	request
	response
)

func (g guess) String() string {
	if g > response {
		return fmt.Sprintf("guess %d", byte(g))
	}
	return [...]string{"none", "maybe", "request", "response"}[g]
}

// source answers questions: what is asked ('h' for HTTP/1, 'k' for a known protocol, 'f' for a frame of HTTP/2, 'd' for a
// datagram, 'p' for a second request), the number of bytes, the length of the segment they begin, and the bytes. They lie at
// the end of memory of exactly the size that is promised, so that the sanitizer sees a read behind it.
const source = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>
#include "event.h"
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))
#include "infer_known.h"

static int answer(const unsigned char *q, unsigned int n, unsigned int total)
{
	unsigned int size = q[0] == 'p' ? INFER_SCAN + 8 : q[0] == 'f' ? 9 : INFER_BYTES;
	unsigned char *p = malloc(size);
	struct turn *turn = malloc(sizeof(*turn));
	int known = 0;

	memset(p, 0, size);
	memcpy(p, q + 9, n < size ? n : size);
	memset(turn, 0, sizeof(*turn));
	turn->len = n < INFER_BYTES ? n : INFER_BYTES;
	turn->total = total;
	memcpy(turn->first, q + 9, turn->len);
	switch (q[0]) {
	case 'h':
		known = infer_http(p, turn->len);
		break;
	case 'k':
		known = infer_known(turn);
		break;
	case 'f':
		known = infer_frame(p, 16384);
		break;
	case 'd':
		known = infer_datagram(p, total);
		break;
	case 'p':
		known = infer_pipelined(p, n, INFER_SCAN);
		break;
	}
	free(p);
	free(turn);
	return known;
}

int main(void)
{
	unsigned char question[9 + 512];
	unsigned int n, total;

	while (fread(question, sizeof(question), 1, stdin) == 1) {
		memcpy(&n, question + 1, 4);
		memcpy(&total, question + 5, 4);
		putchar(answer(question, n, total));
		fflush(stdout);
	}
	return 0;
}
`

// kernelSide is the infer headers as a running program.
type kernelSide struct {
	mu  sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

// workDir is where the program is compiled, once for all tests.
var workDir string

func TestMain(m *testing.M) {
	var err error
	if workDir, err = os.MkdirTemp("", "infer"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(workDir)
	os.Exit(code)
}

// compile returns the program, or "" where there is no compiler.
var compile = sync.OnceValues(func() (string, error) {
	cc, err := exec.LookPath("gcc")
	if err != nil {
		return "", nil
	}
	file, program := filepath.Join(workDir, "infer.c"), filepath.Join(workDir, "infer")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		return "", err
	}
	args := []string{"-O1", "-g", "-Wall", "-Wextra", "-Werror", "-I..", "-o", program, file}
	sanitized := append([]string{"-fsanitize=address,undefined", "-fno-sanitize-recover=all"}, args...)
	if _, err := exec.Command(cc, sanitized...).CombinedOutput(); err != nil { // not every gcc comes with the sanitizers
		if text, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("compile the infer headers: %w\n%s", err, text)
		}
	}
	return program, nil
})

func startKernelSide(t testing.TB) *kernelSide {
	t.Helper()
	program, err := compile()
	if err != nil {
		t.Fatal(err)
	}
	if program == "" {
		t.Skip("no gcc: the infer headers cannot be compiled for the host")
	}
	cmd := exec.Command(program)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the infer headers on the host: %v", err)
		}
	})
	return &kernelSide{in: in, out: bufio.NewReader(out)}
}

// ask puts one question of source. The segment has total bytes, of which p are the first.
func (k *kernelSide) ask(t testing.TB, what byte, total int, p []byte) byte {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	question := make([]byte, 9+512)
	question[0] = what
	binary.NativeEndian.PutUint32(question[1:], uint32(copy(question[9:], p)))
	binary.NativeEndian.PutUint32(question[5:], uint32(total))
	if _, err := k.in.Write(question); err != nil {
		t.Fatal(err)
	}
	answer, err := k.out.ReadByte()
	if err != nil {
		t.Fatalf("no answer for %q: %v", p, err)
	}
	return answer
}

// guess asks about the first bytes of a turn, as classify() does.
func (k *kernelSide) guess(t testing.TB, turn []byte) guess {
	t.Helper()
	return guess(k.ask(t, 'h', len(turn), turn))
}

// known asks about the first bytes of a turn that is no HTTP/1, or not for certain, as know_other() does.
func (k *kernelSide) known(t testing.TB, turn []byte) known {
	t.Helper()
	return known(k.ask(t, 'k', len(turn), turn))
}

// turns are first bytes of real conversations with what the kernel makes of all of them.
var turns = []struct {
	name  string
	bytes string
	want  guess
}{
	{"GET, origin form", "GET /index.html HTTP/1.1\r\nHost: a\r\n\r\n", request},
	{"GET of the root", "GET / HTTP/1.1\r\n", request},
	{"POST", "POST /api/v1/users HTTP/1.1\r\n", request},
	{"HEAD is not taken for HTTP/", "HEAD / HTTP/1.1\r\n", request},
	{"OPTIONS, asterisk form", "OPTIONS * HTTP/1.1\r\n", request},
	{"CONNECT, authority form", "CONNECT example.org:443 HTTP/1.1\r\n", request},
	{"CONNECT to an IPv6 address", "CONNECT [::1]:443 HTTP/1.1\r\n", request},
	{"absolute form", "GET http://example.org/ HTTP/1.1\r\n", request},
	{"PROPFIND", "PROPFIND /dav HTTP/1.1\r\n", request},
	{"M-SEARCH has a hyphen", "M-SEARCH * HTTP/1.1\r\n", request},
	{"method of 14 letters", "ABCDEFGHIJKLMN / HTTP/1.1\r\n", request},
	{"empty line before a request", "\r\nGET / HTTP/1.1\r\n", maybe},
	{"bare line feed before a request", "\nGET / HTTP/1.1\r\n", maybe},
	{"200", "HTTP/1.1 200 OK\r\n", response},
	{"HTTP/1.0 404", "HTTP/1.0 404 Not Found\r\n", response},
	{"100 Continue", "HTTP/1.1 100 Continue\r\n\r\n", response},
	{"the answer to an HTTP/2 request over HTTP/1 does not exist", "HTTP/2 200\r\n", none},
	{"HTTP/2 preface looks like a request of HTTP/1", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", request},
	{"HTTP/2 SETTINGS frame of a server", "\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80\x00", none},
	{"TLS 1.3 ClientHello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x8d\x1c\x33\x71\x29", none},
	{"TLS application data", "\x17\x03\x03\x00\x45\x7e\x8f\x11\x02\x44\x9a\xbb\xcc\x01\x02\x03", none},
	{"SSH banner", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", none},
	{"SMTP greeting", "220 mail.example.org ESMTP\r\n", none},
	{"SMTP HELO has a method and a target", "EHLO client.example.org\r\n", request},
	{"Redis array", "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", none},
	{"Redis inline command has a method and a target", "PING hello\r\n", request},
	{"Redis inline command alone", "PING\r\n", none},
	{"Redis simple string", "+OK\r\n", none},
	{"Redis bulk string", "$5\r\nhello\r\n", none},
	{"PostgreSQL startup", "\x00\x00\x00\x29\x00\x03\x00\x00user\x00postgres\x00", none},
	{"PostgreSQL SSLRequest", "\x00\x00\x00\x08\x04\xd2\x16\x2f", none},
	{"PostgreSQL Query begins with a letter", "Q\x00\x00\x00\x0eSELECT 1;\x00", none},
	{"PostgreSQL AuthenticationOk", "R\x00\x00\x00\x08\x00\x00\x00\x00", none},
	{"MySQL greeting", "\x4a\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00", none},
	{"MySQL COM_QUERY", "\x09\x00\x00\x00\x03SELECT 1", none},
	{"memcached get is lower case", "get key\r\n", none},
	{"memcached VALUE has a method and a target", "VALUE key 0 5\r\n", request},
	{"NATS INFO", "INFO {\"server_id\":\"x\"}\r\n", none},
	{"AMQP", "AMQP\x00\x00\x09\x01", none},
	{"Kafka", "\x00\x00\x00\x23\x00\x12\x00\x04\x00\x00\x00\x01\x00\x07", none},
	{"a method of one letter", "A / HTTP/1.1\r\n", request},
	{"a method and two spaces", "GET  / HTTP/1.1\r\n", request},
	{"a method and a tab", "GET\t/ HTTP/1.1\r\n", none},
	{"lower case method", "get / HTTP/1.1\r\n", none},
	{"NUL", "\x00", none},
}

func TestGuessOfTheFirstBytesOfATurn(t *testing.T) {
	k := startKernelSide(t)
	for _, c := range turns {
		t.Run(c.name, func(t *testing.T) {
			if got := k.guess(t, []byte(c.bytes)); got != c.want {
				t.Errorf("%q: %v, want %v", c.bytes, got, c.want)
			}
		})
	}
}

// A turn may begin with a segment of any length. What is an HTTP message must never be taken for something else because
// little of it came at first: then it would not be copied.
func TestShortFirstSegmentOfAMessageIsNeverNone(t *testing.T) {
	k := startKernelSide(t)
	for _, c := range turns {
		if c.want == none {
			continue
		}
		for n := 1; n <= min(inferBytes, len(c.bytes)); n++ {
			if got := k.guess(t, []byte(c.bytes[:n])); got == none || got != maybe && got != c.want {
				t.Errorf("%s: the first %d bytes %q: %v, want maybe or %v", c.name, n, c.bytes[:n], got, c.want)
			}
		}
	}
}

// Every prefix of 1..16 bytes, spelled out for one request and one response.
func TestGuessOfEachPrefix(t *testing.T) {
	k := startKernelSide(t)
	for _, c := range []struct {
		bytes string
		want  string // a letter for each length
	}{
		{"GET /index.html HTTP/1.1", "mmmmqqqqqqqqqqqq"},
		{"HEAD / HTTP/1.1\r\n", "mmmmmqqqqqqqqqqq"},
		{"HTTP/1.1 200 OK\r\n", "mmmmpppppppppppp"},
		{"HTTP/2 200\r\nserver: x", "mmmmpnnnnnnnnnnn"},
		{"PRI * HTTP/2.0\r\n", "mmmmqqqqqqqqqqqq"},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x8d\x1c\x33\x71\x29", "nnnnnnnnnnnnnnnn"},
		{"*2\r\n$3\r\nGET\r\n$3\r\nkey", "nnnnnnnnnnnnnnnn"},
		{"Q\x00\x00\x00\x0eSELECT 1;\x00", "mnnnnnnnnnnnnnn"},
		{"\x4a\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00", "mnnnnnnnnnnnnnnn"},
		{"SSH-2.0-OpenSSH_9.2p1", "mmmmmnnnnnnnnnnn"},
	} {
		for n := 1; n <= len(c.want); n++ {
			want := map[byte]guess{'n': none, 'm': maybe, 'q': request, 'p': response}[c.want[n-1]]
			if got := k.guess(t, []byte(c.bytes[:n])); got != want {
				t.Errorf("the first %d bytes %q: %v, want %v", n, c.bytes[:n], got, want)
			}
		}
	}
}

// agree holds the guess of the kernel side against the one of the parser in user space.
func agree(t testing.TB, k *kernelSide, turn []byte) {
	t.Helper()
	mine, theirs := k.guess(t, turn), http1.Probe(turn[:min(len(turn), inferBytes)])
	want := map[protocol.Guess]guess{protocol.GuessRequest: request, protocol.GuessResponse: response}[theirs]
	if want == none { // user space is not sure: then it does not matter
		return
	}
	if mine == none || mine != maybe && mine != want {
		t.Errorf("%q: %v in the kernel, %v in user space", turn, mine, want)
	}
}

// letters are what makes a difference to the two.
const letters = "GETHPOS/1.0 *[-_\r\nab\x00\x16{"

func TestKernelAndUserSpaceAgree(t *testing.T) {
	k := startKernelSide(t)
	r := rand.New(rand.NewPCG(3, 4))
	for range 50_000 {
		turn := make([]byte, 1+r.IntN(inferBytes+4))
		for i := range turn {
			turn[i] = letters[r.IntN(len(letters))]
		}
		if r.IntN(2) == 0 { // most random bytes are nothing: begin like something
			copy(turn, []string{"HTTP/1.1 ", "GET /", "OPTIONS *", "\r\nGET /", "HTTP/", "HTT"}[r.IntN(6)])
		}
		agree(t, k, turn)
	}
}

// Methods longer than what the kernel side looks at are registered (RFC 3253, RFC 4437).
func TestLongMethodIsNotNone(t *testing.T) {
	k := startKernelSide(t)
	for _, m := range []string{"VERSION-CONTROL", "BASELINE-CONTROL", "UPDATEREDIRECTREF"} {
		if got := k.guess(t, []byte(m+" /x HTTP/1.1\r\n")); got == none {
			t.Errorf("%s: %v", m, got)
		}
	}
}

func FuzzKernelAndUserSpaceAgree(f *testing.F) {
	for _, c := range turns {
		f.Add([]byte(c.bytes))
	}
	k := startKernelSide(f)
	f.Fuzz(func(t *testing.T, turn []byte) {
		if len(turn) > 0 {
			agree(t, k, turn)
		}
	})
}
