// SPDX-License-Identifier: Apache-2.0

package jsonl

import (
	"time"

	"sonde/agent/model"
)

// AppendFlow appends f as one JSON object without a line end. It does not keep f and allocates only to grow b.
func AppendFlow(b []byte, f *model.Flow, clock model.Clock) []byte {
	b = append(b, `{"type":"flow"`...)
	b = appendText(b, "transport", f.Transport)
	b = appendText(b, "view", f.View.String())
	b = appendText(b, "interface", f.Interface)
	b = appendRole(b, f.Role)
	b = appendEndpoint(b, "client", &f.Client)
	b = appendEndpoint(b, "server", &f.Server)
	b = appendText(b, "protocol", f.Protocol.String())
	b = appendBothWays(b, "packets", f.PacketsSent, f.PacketsReceived)
	b = appendBothWays(b, "bytes", f.BytesSent, f.BytesReceived)
	b = appendSeen(b, "start", f.Start, clock)
	b = appendSeen(b, "end", f.End, clock)
	b = appendText(b, "state", f.State.String())
	b = appendText(b, "error", f.Error)
	b = appendTCP(b, f)
	if f.Drops > 0 {
		b = appendUint(b, "drops", f.Drops)
	}
	b = appendText(b, "encryption", f.Encryption)
	if f.JoinedMid {
		b = append(appendKey(b, "joined_mid_stream"), "true"...)
	}
	return append(b, '}')
}

func appendBothWays(b []byte, key string, sent, received uint64) []byte {
	b = append(appendKey(b, key), '{')
	b = appendUint(b, "sent", sent)
	b = appendUint(b, "received", received)
	return append(b, '}')
}

// appendSeen adds a time unless it is zero, which the model uses for one that was not seen.
func appendSeen(b []byte, key string, t time.Duration, clock model.Clock) []byte {
	if t == 0 {
		return b
	}
	return appendTime(b, key, clock.Wall(t))
}

// appendTCP adds what only a TCP socket of this machine can tell. No retransmission is a fact, no round trip is not.
func appendTCP(b []byte, f *model.Flow) []byte {
	if f.Transport != "tcp" || f.View != model.ViewSocket {
		return b
	}
	if f.TCP.SRTT > 0 {
		b = appendUint(b, "srtt_us", uint64(f.TCP.SRTT/time.Microsecond))
	}
	return appendUint(b, "retransmits", uint64(f.TCP.Retransmits))
}

// AppendLoss appends l as one JSON object without a line end.
func AppendLoss(b []byte, l *model.Loss, clock model.Clock) []byte {
	b = append(b, `{"type":"lost"`...)
	b = appendTime(b, "time", clock.Wall(l.Time))
	b = appendText(b, "where", l.Where)
	b = appendText(b, "what", l.What)
	b = appendRole(b, l.Role)
	b = appendUint(b, "count", l.Count)
	return append(b, '}')
}
