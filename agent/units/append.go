// SPDX-License-Identifier: Apache-2.0

// Package units writes quantities and names for people, one field each: durations, sizes, addresses, processes.
//
// Every output for people uses it, so that the same thing reads the same in a line, a table and a screen. It knows no layout
// and no colour. Called by exporters/text, agent/store and tui. Safe for concurrent use.
package units

import (
	"net/netip"
	"strconv"
	"time"

	"sonde/agent/model"
)

const hexDigits = "0123456789abcdef"

// AppendEscaped adds text from the wire as printable ASCII without spaces, so that it stays one field of its line. The
// empty string and what is unknown become "-".
func AppendEscaped(b []byte, s string) []byte {
	if s == "" {
		return append(b, '-')
	}
	clean := 0
	for i := range len(s) {
		c := s[i]
		if c > ' ' && c < 0x7f && c != '\\' {
			continue
		}
		b = append(b, s[clean:i]...)
		b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		clean = i + 1
	}
	return append(b, s[clean:]...)
}

// AppendClock adds the time of day with six digits of a second.
func AppendClock(b []byte, t time.Time) []byte {
	hour, minute, second := t.Clock()
	b = appendPadded(b, hour, 2)
	b = appendPadded(append(b, ':'), minute, 2)
	b = appendPadded(append(b, ':'), second, 2)
	return appendPadded(append(b, '.'), t.Nanosecond()/1000, 6)
}

// appendPadded adds n with zeros in front, n >= 0.
func appendPadded(b []byte, n, digits int) []byte {
	for limit := 10; digits > 1; digits, limit = digits-1, limit*10 {
		if n < limit {
			for range digits - 1 {
				b = append(b, '0')
			}
			break
		}
	}
	return strconv.AppendInt(b, int64(n), 10)
}

// AppendProcess adds "nginx[123]".
func AppendProcess(b []byte, p *model.Process) []byte {
	if p == nil {
		return append(b, '-')
	}
	b = AppendEscaped(b, p.Name)
	if p.PID == 0 {
		return b
	}
	b = strconv.AppendUint(append(b, '['), uint64(p.PID), 10)
	return append(b, ']')
}

// AppendAddr adds "127.0.0.1:80", or the address alone for protocols without ports.
func AppendAddr(b []byte, a netip.AddrPort) []byte {
	switch {
	case !a.IsValid():
		return append(b, '-')
	case a.Addr().Zone() != "": // a zone is the name of an interface and may hold anything
		return AppendEscaped(b, a.String())
	case a.Port() == 0:
		return a.Addr().AppendTo(b)
	}
	return a.AppendTo(b)
}

// AppendSize adds bytes in decimal units, one digit behind the point: "82B", "1.2kB".
func AppendSize(b []byte, n uint64) []byte {
	if n < 1000 {
		return append(strconv.AppendUint(b, n, 10), 'B')
	}
	unit := uint64(1000)
	const prefixes = "kMGTPE"
	prefix := 0
	for n/unit >= 1000 && prefix < len(prefixes)-1 {
		unit *= 1000
		prefix++
	}
	tenths := n / (unit / 10)
	b = strconv.AppendUint(b, tenths/10, 10)
	return append(b, '.', byte('0'+tenths%10), prefixes[prefix], 'B')
}

// AppendDuration adds d with the given digits behind the point where its unit is milliseconds or seconds: "123ns",
// "120us", "1.234ms", "1.2s", "2m03s", "1h02m". A negative one is unknown and becomes "-".
func AppendDuration(b []byte, d time.Duration, digits int) []byte {
	switch {
	case d < 0:
		return append(b, '-')
	case d < time.Microsecond:
		return append(strconv.AppendInt(b, int64(d), 10), "ns"...)
	case d < time.Millisecond:
		return append(strconv.AppendInt(b, int64(d/time.Microsecond), 10), "us"...)
	case d < time.Second:
		return append(appendFraction(b, d, time.Millisecond, digits), "ms"...)
	case d < time.Minute:
		return append(appendFraction(b, d, time.Second, digits), 's')
	case d < time.Hour:
		b = append(strconv.AppendInt(b, int64(d/time.Minute), 10), 'm')
		return append(appendPadded(b, int(d%time.Minute/time.Second), 2), 's')
	}
	b = append(strconv.AppendInt(b, int64(d/time.Hour), 10), 'h')
	return append(appendPadded(b, int(d%time.Hour/time.Minute), 2), 'm')
}

// appendFraction cuts and does not round, so that 999.9996 ms never reads as 1000 ms.
func appendFraction(b []byte, d, unit time.Duration, digits int) []byte {
	b = append(strconv.AppendInt(b, int64(d/unit), 10), '.')
	rest := d % unit
	for range digits {
		unit /= 10
		b = append(b, byte('0'+rest/unit))
		rest %= unit
	}
	return b
}
