// SPDX-License-Identifier: Apache-2.0

package kafka

import (
	"encoding/binary"

	"sonde/agent/protocol"
)

// Limits of what is taken for a request while nothing is known of a connection.
const (
	maxProbeFrame = 100 << 20 // socket.request.max.bytes of a broker, unless it was changed
	maxProbeKey   = 100
	maxClientID   = 256 // bytes
	newerVersions = 4   // beyond the newest that is known
)

// Where the fields of a request lie, counted from its length (KIP-511, request header 0 to 2).
const (
	lengthBytes   = 4
	keyAt         = 4
	versionAt     = 6
	correlationAt = 8
	clientAt      = 12
	shortestFrame = 8  // a request without a client id and without a body
	decisiveBytes = 14 // from which on the beginning of a request can be told from others
)

// Probe says whether p begins a request. An answer holds nothing that could be recognised.
func Probe(p []byte) protocol.Guess {
	switch guess := probeHeader(p); {
	case guess != protocol.GuessRequest:
		return guess
	default:
		var w walk
		_, guess = judge(p, uint64(binary.BigEndian.Uint32(p))+lengthBytes, &w)
		return guess
	}
}

// probeHeader says whether p can begin a request as far as its header goes. It needs no more than the header.
func probeHeader(p []byte) protocol.Guess {
	var b [decisiveBytes]byte // what has not come is zero, which is plausible everywhere
	n := copy(b[:], p)
	size := binary.BigEndian.Uint32(b[:])
	if size > maxProbeFrame || n >= lengthBytes && size < shortestFrame {
		return protocol.GuessNo
	}
	key, version := binary.BigEndian.Uint16(b[keyAt:]), binary.BigEndian.Uint16(b[versionAt:])
	if !plausible(key, version) {
		return protocol.GuessNo
	}
	if n < decisiveBytes {
		if clientIDAt(int16(key), int16(version)) == 0 && n >= clientAt {
			return protocol.GuessRequest
		}
		return protocol.GuessMaybe
	}
	return probeClient(p, uint64(size)+lengthBytes, clientIDAt(int16(key), int16(version)))
}

// plausible tells whether there is, or may soon be, an API with this key in this version.
func plausible(key, version uint16) bool {
	if int(key) >= len(apis) {
		return key <= maxProbeKey && version <= newerVersions
	}
	return int(version) <= int(apis[key].max)+newerVersions
}

// probeClient looks at the client id of a request of size bytes, which is at p[at:], or nowhere when at is 0.
func probeClient(p []byte, size uint64, at int) protocol.Guess {
	if at == 0 {
		return protocol.GuessRequest
	}
	n := int(int16(binary.BigEndian.Uint16(p[at:])))
	at += 2
	if n < -1 || n > maxClientID || uint64(at+max(n, 0)) > size {
		return protocol.GuessNo
	}
	end := at + max(n, 0)
	if !printable(p[at:min(len(p), end)]) {
		return protocol.GuessNo
	}
	if end > len(p) {
		return protocol.GuessMaybe
	}
	return protocol.GuessRequest
}

// judge reads a request of size bytes that begins with p, whose header is plausible. A client id, or a body that is exactly
// as long as its layout says, is what makes it certain.
func judge(p []byte, size uint64, w *walk) (*header, protocol.Guess) {
	w.start(p, size)
	h, ok := w.header()
	if !ok {
		if w.end == endBad {
			return h, protocol.GuessNo
		}
		return h, protocol.GuessMaybe
	}
	known := protocol.GuessMaybe
	if len(h.client) > 0 {
		known = protocol.GuessRequest
	}
	if h.api == nil {
		return h, known
	}
	switch w.message(h.api.request, h.version, h.api.flexibleRequest(h.version)) {
	case endBad:
		return h, protocol.GuessNo
	case endExact:
		if !w.found.odd {
			return h, protocol.GuessRequest
		}
	}
	if w.found.odd {
		return h, protocol.GuessNo
	}
	return h, known
}

// header is what stands in front of every request.
type header struct {
	api          *api // nil when the layout of this version is not known
	key, version int16
	id           int32
	client       []byte
}

// header reads the header of a request. It is false when not all of it was captured, with what there is.
func (w *walk) header() (*header, bool) {
	h := &w.head
	*h = header{key: -1}
	b, ok := w.take(clientAt)
	if !ok {
		return h, false
	}
	h.key, h.version = int16(binary.BigEndian.Uint16(b[keyAt:])), int16(binary.BigEndian.Uint16(b[versionAt:]))
	h.id = int32(binary.BigEndian.Uint32(b[correlationAt:]))
	h.api = lookup(h.key, h.version)
	if clientIDAt(h.key, h.version) == 0 {
		return h, true
	}
	n, ok := w.length(false)
	if !ok {
		return h, false
	}
	if h.client, ok = w.take(max(n, 0)); !ok {
		return h, false
	}
	w.flexible = h.api != nil && h.api.flexibleRequest(h.version)
	return h, !w.flexible || w.tags()
}
