// SPDX-License-Identifier: Apache-2.0

package all_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/all"
	"sonde/agent/protocol/detect"
)

const (
	preface  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	settings = "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"
	ack      = "\x00\x00\x00\x04\x01\x00\x00\x00\x00"
	asked1   = "\x00\x00\x05\x01\x05\x00\x00\x00\x01\x82\x86\x04\x01/"   // GET /
	asked3   = "\x00\x00\x07\x01\x05\x00\x00\x00\x03\x82\x86\x04\x03/bc" // GET /bc
	ok1      = "\x00\x00\x01\x01\x05\x00\x00\x00\x01\x88"                // 200
	failed3  = "\x00\x00\x01\x01\x04\x00\x00\x00\x03\x8e"                // 500, and a body
	body3    = "\x00\x00\x03\x00\x01\x00\x00\x00\x03abc"                 //
	upgrade  = "GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
	switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
)

// said is what one side sends at once.
type said struct {
	from protocol.Dir
	text string
}

const (
	client = protocol.Received
	server = protocol.Sent
)

// follow gives turns to the engine and returns what it reports, a request in a line.
func follow(joined bool, turns []said, pieces int) (lines []string, found model.Protocol) {
	emit := func(r *model.Request) {
		lines = append(lines, fmt.Sprintf("%s %s %s %d %s", r.HTTP.Version, r.HTTP.Method, r.HTTP.Path, r.HTTP.Status, r.Outcome))
	}
	c := detect.New(all.Specs(), emit, nil).Conn(model.TransportTCP, joined)
	for i, t := range turns {
		for p := range slices.Chunk([]byte(t.text), pieces) {
			c.Feed(t.from, p, time.Duration(i))
		}
	}
	return lines, c.Protocol()
}

func TestHTTP2IsFoundWhereItBegins(t *testing.T) {
	want := []string{"2 GET / 200 ok", "2 GET /bc 500 error"}
	rest := []said{{client, ack + asked1}, {server, ack + ok1}, {client, asked3}, {server, failed3}, {server, body3}}
	tests := []struct {
		name   string
		joined bool
		turns  []said
		want   []string
	}{
		{"with the client", false, append([]said{{client, preface}, {server, settings}}, rest...), want},
		{"with the server", false, append([]said{{server, settings}, {client, preface}}, rest...), want},
		{"in the middle", true, rest, want},
		{"in the middle, with an answer", true, rest[1:], want[1:]},
		{"behind an upgrade", false, append([]said{{client, upgrade}, {server, switched + settings}, {client, preface}, {server, ack + ok1}}, rest[2:]...),
			[]string{"2 GET /up 200 ok", want[1]}},
	}
	for _, test := range tests {
		for _, pieces := range []int{1 << 10, 11, 1} {
			if test.joined && pieces < 1<<10 {
				continue // frames are found where segments begin
			}
			if got, found := follow(test.joined, test.turns, pieces); !slices.Equal(got, test.want) || found != model.ProtocolHTTP {
				t.Errorf("%s, in pieces of %d: %q of %q, want %q", test.name, pieces, got, found, test.want)
			}
		}
	}
}
