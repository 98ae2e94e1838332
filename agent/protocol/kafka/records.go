// SPDX-License-Identifier: Apache-2.0

package kafka

import "encoding/binary"

// Where the fields of a record batch (magic 2) and of a message of the older formats (magic 0 and 1) lie. Up to the magic
// byte they agree.
const (
	batchLengthAt   = 8
	batchHeadBytes  = 12 // that the length does not count
	batchMagicAt    = 16
	messageAttrAt   = 17
	batchAttrAt     = 21
	batchCountAt    = 57
	batchFixedBytes = 61
	controlBatch    = 1 << 5 // marks the end of a transaction, holds no message
	compressionBits = 7
)

// countRecords counts the records in batches that are total bytes long, of which p was captured. It does not know the number
// where a batch's beginning was not captured, and in the compressed sets of magic 0 and 1, which do not say it. What a broker
// cut off at the end of an answer is no record. It reads the headers of what it counts, unless a recording is marked, which
// does so where it hides the rest.
func (w *walk) countRecords(p []byte, total int) (n int, known bool) {
	for at := 0; total-at > batchMagicAt; {
		if len(p) <= at+batchAttrAt {
			return n, len(p) == total // so short only at the end
		}
		b := p[at:]
		size := int(int32(binary.BigEndian.Uint32(b[batchLengthAt:]))) + batchHeadBytes
		if size <= batchMagicAt {
			return n, false
		}
		if size > total-at {
			return n, true
		}
		switch magic := b[batchMagicAt]; {
		case magic < 2 && b[messageAttrAt]&compressionBits == 0:
			n++
		case magic == 2 && len(b) >= batchFixedBytes:
			count := int(int32(binary.BigEndian.Uint32(b[batchCountAt:])))
			if count < 0 || count > size {
				return n, false
			}
			if binary.BigEndian.Uint16(b[batchAttrAt:])&controlBatch == 0 {
				n += count
			}
			if w.hide == nil {
				w.headers(b[:min(len(b), size)])
			}
		default:
			return n, false
		}
		at += size
	}
	return n, true
}
