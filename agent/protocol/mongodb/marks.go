// SPDX-License-Identifier: Apache-2.0

package mongodb

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/klauspost/compress/zlib"

	"sonde/agent/protocol"
)

// A recording keeps headers, lengths, the names and types of the elements of commands and answers, and the values that are
// reported. All other values are hidden with all that is in them. What was compressed is compressed again once its values are
// hidden, by zlib whatever it was before; where that needs more bytes than there were, all of it is hidden.

// veil hides bytes of a message but for those that are let through.
type veil interface {
	Keep(part []byte)
}

// mark tells a recording what of a message it may hold.
func (s *shared) mark(d protocol.Dir, f *protocol.Frame) {
	screen := protocol.NewScreen(s.env.Marks, d, f.At, f.Head)
	body := f.Head[headerSize:]
	screen.Keep(f.Head[:headerSize])
	switch opcode := parseHeader(f.Head).opcode; {
	case opcode != opCompressed:
		keepMessage(&screen, opcode, body)
	case len(body) >= 9:
		s.markCompressed(d, f, body)
		return
	}
	screen.End(f.Size)
}

// markCompressed writes a compressed message in the place of another.
func (s *shared) markCompressed(d protocol.Dir, f *protocol.Frame, body []byte) {
	m, at := s.env.Marks, f.At+headerSize+9
	size := f.Size - headerSize - 9
	packed := repack(binary.LittleEndian.Uint32(body), s.inflater.inflate(body[8], body[9:]))
	if uint64(len(packed)) > size || len(packed) > MaxHead-headerSize-9 || len(packed) == 0 {
		packed = nil
		m.Replace(d, at-1, []byte{0xff}) // no compressor
	} else {
		m.Replace(d, at-1, []byte{compressorZlib})
		m.Replace(d, at, packed)
	}
	if n := uint64(len(packed)); n < size {
		m.Hide(d, at+n, at+size, protocol.FillZero)
	}
	m.Settle(d, f.At+f.Size)
}

// repack hides the values of a message and compresses it.
func repack(opcode uint32, message []byte) []byte {
	if len(message) == 0 {
		return nil
	}
	masked := copyVeil{from: message, to: bytes.Repeat([]byte{'x'}, len(message))}
	keepMessage(masked, opcode, message)
	var out bytes.Buffer
	w, err := zlib.NewWriterLevel(&out, zlib.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := w.Write(masked.to); err != nil || w.Close() != nil {
		return nil
	}
	return slices.Clip(out.Bytes())
}

// copyVeil makes a copy of which all is hidden but for what is let through.
type copyVeil struct{ from, to []byte }

// Keep implements veil.
func (v copyVeil) Keep(part []byte) { copy(v.to[cap(v.from)-cap(part):], part) }

// keepMessage goes the ways of message.parse.
func keepMessage(v veil, opcode uint32, p []byte) {
	switch opcode {
	case opMsg:
		keepMsg(v, p)
	case opReply:
		if len(p) >= 20 {
			v.Keep(p[:20])
			keepDocument(v, p[20:], keepElement)
		}
	default:
		keepLegacy(v, opcode, p)
	}
}

func keepMsg(v veil, p []byte) {
	if len(p) < 5 {
		return
	}
	v.Keep(p[:4])
	p = p[4:]
	for len(p) > 4 {
		v.Keep(p[:5])
		n := binary.LittleEndian.Uint32(p[1:])
		if n < 5 || n > MaxMessage || p[0] > 1 {
			return
		}
		section := p[1:min(len(p), 1+int(n))]
		if p[0] == 0 {
			keepDocument(v, section, keepElement)
		} else {
			keepSequence(v, section)
		}
		p = p[1+len(section):]
	}
}

// keepSequence keeps the name of a sequence of documents, and how long each is.
func keepSequence(v veil, p []byte) {
	end := bytes.IndexByte(p[min(len(p), 4):], 0)
	if end < 0 {
		return
	}
	v.Keep(p[4 : 4+end+1])
	for p = p[4+end+1:]; len(p) >= 5; {
		v.Keep(p[:4])
		size := binary.LittleEndian.Uint32(p)
		if size < 5 || uint64(size) > uint64(len(p)) {
			return
		}
		p = p[size:]
	}
}

func keepLegacy(v veil, opcode uint32, p []byte) {
	if opcode == opKillCursors || len(p) < 5 {
		return
	}
	end := bytes.IndexByte(p[4:], 0)
	if end < 0 {
		return
	}
	name := p[4 : 4+end]
	v.Keep(p[:4+end+1])
	if p = p[4+end+1:]; opcode == opQuery && bytes.HasSuffix(name, []byte(".$cmd")) && len(p) > 8 {
		v.Keep(p[:8])
		keepDocument(v, p[8:], keepElement)
	}
}

// keepDocument keeps the length, names and types of a document, and the values that keep does, which is told how many
// elements came before.
func keepDocument(v veil, p []byte, keep func(v veil, w *walker, before int)) {
	w, ok := document(p)
	if !ok {
		v.Keep(p[:min(len(p), 4)])
		return
	}
	v.Keep(p[:4])
	for n := 0; ; n++ {
		rest := w.rest
		if !w.next() {
			return
		}
		v.Keep(rest[:len(w.name)+2])
		keep(v, &w, n)
	}
}

// keepElement keeps what is reported of an element of a command or an answer.
func keepElement(v veil, w *walker, before int) {
	switch string(w.name) {
	case "$db", "codeName", "collection":
		keepName(v, w)
		return
	case "ok", "code", "n":
		keepNumber(v, w)
		return
	case "documents", "updates", "deletes":
		keepInner(v, w, keepNothing)
		return
	case "cursor":
		keepInner(v, w, func(v veil, w *walker, _ int) {
			if name := string(w.name); name == "firstBatch" || name == "nextBatch" {
				keepInner(v, w, keepNothing)
				return
			}
			keepLength(v, w)
		})
		return
	case "writeErrors":
		keepInner(v, w, func(v veil, w *walker, before int) {
			if before == 0 {
				keepInner(v, w, keepCode)
				return
			}
			keepLength(v, w)
		})
		return
	case "writeConcernError":
		keepInner(v, w, keepCode)
		return
	}
	if before == 0 && namesCollection(w.name) {
		keepName(v, w)
		return
	}
	keepLength(v, w)
}

// keepInner does for a document or an array what keepDocument does, and hides what is neither.
func keepInner(v veil, w *walker, keep func(v veil, w *walker, before int)) {
	if w.kind != typeDocument && w.kind != typeArray {
		keepLength(v, w)
		return
	}
	keepDocument(v, w.value, keep)
}

func keepCode(v veil, w *walker, _ int) {
	switch string(w.name) {
	case "code":
		keepNumber(v, w)
	case "codeName":
		keepName(v, w)
	default:
		keepLength(v, w)
	}
}

func keepNothing(v veil, w *walker, _ int) { keepLength(v, w) }

func keepName(v veil, w *walker) {
	if w.kind == typeString {
		v.Keep(w.value[:min(len(w.value), maxName+4)])
		return
	}
	keepLength(v, w)
}

func keepNumber(v veil, w *walker) {
	switch w.kind {
	case typeInt32, typeInt64, typeDouble, typeBool:
		v.Keep(w.value)
	default:
		keepLength(v, w)
	}
}

// keepLength keeps what a value needs to be passed over.
func keepLength(v veil, w *walker) {
	switch w.kind {
	case typeRegex:
		for i, b := range w.value {
			if b == 0 {
				v.Keep(w.value[i : i+1])
			}
		}
	case typeString, typeCode, typeSymbol, typeBinary, typePointer, typeDocument, typeArray, typeScoped:
		v.Keep(w.value[:min(len(w.value), 4)])
	}
}
