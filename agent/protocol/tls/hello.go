// SPDX-License-Identifier: Apache-2.0

package tls

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"sonde/agent/model"
)

// Types of handshake messages (RFC 8446 4, RFC 5246 7.4).
const (
	clientHello       = 1
	serverHello       = 2
	helloRetryRequest = 6 // of early drafts of TLS 1.3
	certificate       = 11
	serverKeyExchange = 12
)

// Extensions.
const (
	extServerName        = 0
	extALPN              = 16
	extPreSharedKey      = 41
	extEarlyData         = 42
	extSupportedVersions = 43
	extKeyShare          = 51
	extKeyShareDraft     = 40 // to draft 22 of TLS 1.3
)

const (
	handshakeHeader = 4
	maxList         = 16 // entries of a list that are kept
)

// Hello collects what the hello messages of one handshake say. The zero value is ready.
type Hello struct {
	Facts model.TLS

	hasClient, hasServer bool
	early                bool // the client may send early data
	version              uint16
	session              [32]byte // the client's session identifier
	sessionSize          int
	sameSession          bool // the server repeated it
}

// retryRandom is the value of ServerHello.random that makes it a HelloRetryRequest (RFC 8446 4.1.3).
var retryRandom = []byte{
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
}

// Client takes a ClientHello, handshake header included, and reports whether it is one. It may be cut: what is behind the
// cut stays unknown. Of a second one, after a HelloRetryRequest, the fields replace those of the first.
func (h *Hello) Client(p []byte) bool {
	if len(p) < handshakeHeader+2 || p[0] != clientHello {
		return false
	}
	r, whole := body(p)
	legacy := r.u16()
	if legacy>>8 != 3 && legacy != version2 && legacy>>8 != 0x7f {
		return false
	}
	r.take(32)
	h.hasClient = true
	h.sessionSize = copy(h.session[:], r.vector(1))
	r.vector(2)
	r.vector(1)
	f := &h.Facts
	f.Offered = f.Offered[:0]
	r.extensions(func(kind uint16, e reader) {
		switch kind {
		case extServerName:
			f.ServerName = e.serverName()
		case extALPN:
			f.ALPN = e.protocols(f.ALPN[:0])
		case extEarlyData:
			h.early = true
		case extSupportedVersions:
			f.Offered = e.versions(f.Offered[:0])
		}
	})
	if len(f.Offered) == 0 && whole && !r.cut { // the extension would come before the old field
		f.Offered = append(f.Offered, versionName(legacy))
	}
	return true
}

// Server takes a ServerHello or HelloRetryRequest, handshake header included, and reports whether it is one.
func (h *Hello) Server(p []byte) bool {
	if len(p) < handshakeHeader+2 || p[0] != serverHello && p[0] != helloRetryRequest {
		return false
	}
	r, whole := body(p)
	version := r.u16()
	draft := version>>8 == 0x7f // to draft 21: no session identifier, no compression
	f := &h.Facts
	retry := p[0] == helloRetryRequest
	if !retry {
		retry = bytes.Equal(r.take(len(retryRandom)), retryRandom)
		if !draft {
			session := r.vector(1)
			h.sameSession = len(session) > 0 && bytes.Equal(session, h.session[:h.sessionSize])
		}
	}
	cipher := r.u16()
	if f.Cipher = ""; !r.cut && p[0] == serverHello {
		f.Cipher = cipherName(cipher)
	}
	if !draft {
		r.u8()
	}
	f.Resumed, f.NextProto, f.Curve = false, "", ""
	named := false
	r.extensions(func(kind uint16, e reader) {
		switch kind {
		case extSupportedVersions:
			version = e.u16()
			named = true
		case extKeyShare, extKeyShareDraft:
			f.Curve = groupName(e.u16())
		case extPreSharedKey:
			f.Resumed = true
		case extALPN:
			f.NextProto = strings.Join(e.protocols(nil), ",")
		}
	})
	if (r.cut || !whole) && !named && version == version12 { // TLS 1.3 says so in the extension, but has ciphers of its own
		switch {
		case f.Cipher == "":
			version = 0
		case cipher>>8 == ciphers13:
			version = version13
		}
	}
	h.version, f.Version = version, ""
	if version != 0 {
		f.Version = versionName(version)
	}
	f.Retried = f.Retried || retry
	h.hasServer = !retry
	return true
}

// encryptsAll tells whether everything behind the ServerHello is encrypted.
func (h *Hello) encryptsAll() bool {
	return h.version == version13 || h.version>>8 == 0x7f || h.version>>8 == 0x7e
}

// body returns a reader of a handshake message without its header, and whether all of it is there.
func body(p []byte) (r reader, whole bool) {
	size := handshakeHeader + (int(p[1])<<16 | int(p[2])<<8 | int(p[3]))
	return reader{p: p[handshakeHeader:min(len(p), size)]}, len(p) >= size
}

// reader takes fields off the front of bytes that may have been cut: what is missing reads as zero or empty.
type reader struct {
	p   []byte
	cut bool // something was missing
}

func (r *reader) done() bool { return len(r.p) == 0 }

// take returns the next n bytes, fewer when there are not so many.
func (r *reader) take(n int) []byte {
	r.cut = r.cut || n > len(r.p)
	b := r.p[:min(n, len(r.p))]
	r.p = r.p[len(b):]
	return b
}

func (r *reader) number(size int) (n int) {
	b := r.take(size)
	if len(b) < size {
		return 0
	}
	for _, x := range b {
		n = n<<8 | int(x)
	}
	return n
}

func (r *reader) u8() uint8   { return uint8(r.number(1)) }
func (r *reader) u16() uint16 { return uint16(r.number(2)) }

// vector returns bytes that have their length before them, in size bytes.
func (r *reader) vector(size int) []byte { return r.take(r.number(size)) }

// extensions calls each for every extension of a hello that is whole. A hello of SSL 3.0 may have none.
func (r *reader) extensions(each func(kind uint16, e reader)) {
	if r.done() {
		return
	}
	list := reader{p: r.vector(2)}
	for len(list.p) >= 4 {
		kind := list.u16()
		if e := (reader{p: list.vector(2)}); !list.cut {
			each(kind, e)
		}
	}
}

// serverName returns the host name of the extension (RFC 6066 3).
func (r reader) serverName() string {
	list := reader{p: r.vector(2)}
	for len(list.p) > 3 {
		kind := list.u8()
		name := list.vector(2)
		if kind == 0 {
			return string(name[:min(len(name), maxName)])
		}
	}
	return ""
}

const maxName = 255 // bytes of a host name (RFC 1035 2.3.4)

// protocols returns the names of the extension (RFC 7301 3.1).
func (r reader) protocols(to []string) []string {
	list := reader{p: r.vector(2)}
	for !list.done() && len(to) < maxList {
		name := list.vector(1)
		if len(name) == 2 && isGREASE(uint16(name[0])<<8|uint16(name[1])) || len(name) == 0 {
			continue
		}
		to = append(to, string(name))
	}
	return to
}

// versions returns the names of the versions of the extension (RFC 8446 4.2.1), highest first.
func (r reader) versions(to []string) []string {
	var codes []uint16
	for list := (reader{p: r.vector(1)}); len(list.p) >= 2 && len(codes) < maxList; {
		if v := list.u16(); !isGREASE(v) {
			codes = append(codes, v)
		}
	}
	slices.SortStableFunc(codes, func(a, b uint16) int { return cmp.Compare(rank(b), rank(a)) })
	for _, v := range codes {
		to = append(to, versionName(v))
	}
	return to
}

// rank orders versions: drafts are older than what they became.
func rank(v uint16) uint32 {
	if v>>8 == 0x7f || v>>8 == 0x7e {
		return uint32(version13-1)<<16 | uint32(v)
	}
	return uint32(v) << 16
}

// curveOf returns the group of a ServerKeyExchange, "" where it names none (RFC 8422 5.4).
func curveOf(p []byte, cipher string) string {
	const namedCurve = 3
	if len(p) < handshakeHeader+3 || p[handshakeHeader] != namedCurve || !strings.HasPrefix(cipher, "TLS_EC") {
		return ""
	}
	r := reader{p: p[handshakeHeader+1:]}
	return groupName(r.u16())
}

// Answered reports whether there was a ServerHello that is no HelloRetryRequest.
func (h *Hello) Answered() bool { return h.hasServer }
