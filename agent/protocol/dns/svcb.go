// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/base64"
	"strconv"
)

// Keys of service parameters (RFC 9460 14.3.2).
const (
	keyMandatory = iota
	keyALPN
	keyNoDefaultALPN
	keyPort
	keyIPv4Hint
	keyECH
	keyIPv6Hint
	keyPath
	keyOHTTP
)

var keyNames = [...]string{"mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp"}

// parameters writes the service parameters of SVCB and HTTPS (RFC 9460 2.1).
func (f *fields) parameters() {
	for from := len(f.out); f.at < len(f.p) && !f.bad && len(f.out)-from < MaxAnswer; {
		if len(f.out) > from {
			f.out = append(f.out, ' ')
		}
		key := f.number(2)
		value := f.take(int(f.number(2)))
		f.key(key)
		if len(value) > 0 {
			f.out = append(f.out, '=')
			v := fields{out: f.out, p: value}
			v.parameter(key)
			f.out, f.bad = v.out, f.bad || v.bad
		}
	}
}

func (f *fields) key(k uint32) {
	if int(k) < len(keyNames) {
		f.out = append(f.out, keyNames[k]...)
		return
	}
	f.out = strconv.AppendUint(append(f.out, "key"...), uint64(k), 10)
}

// parameter writes the value of one parameter, which is all of f.
func (f *fields) parameter(key uint32) {
	switch key {
	case keyMandatory:
		f.list(func() { f.key(f.number(2)) })
	case keyALPN:
		f.out = append(f.out, '"')
		f.list(func() { f.out = appendLabel(f.out, f.take(int(f.number(1)))) })
		f.out = append(f.out, '"')
	case keyPort:
		f.out = strconv.AppendUint(f.out, uint64(f.number(2)), 10)
	case keyIPv4Hint:
		f.list(func() { f.address(4) })
	case keyIPv6Hint:
		f.list(func() { f.address(16) })
	case keyECH:
		f.out = base64.StdEncoding.AppendEncode(f.out, f.rest())
	default:
		f.quote(f.rest())
	}
}

// list writes items with commas between them, up to the end.
func (f *fields) list(item func()) {
	for from := len(f.out); f.at < len(f.p) && !f.bad && len(f.out)-from < MaxAnswer; {
		if len(f.out) > from {
			f.out = append(f.out, ',')
		}
		item()
	}
}
