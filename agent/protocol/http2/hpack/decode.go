// SPDX-License-Identifier: Apache-2.0

package hpack

import "sonde/agent/protocol"

// MaxString is the number of bytes of a string, as sent, above which it is passed over.
const MaxString = 16 << 10

// MaxField is the number of bytes with which Next never says NeedMore: a literal with name and value and their lengths.
const MaxField = 2*MaxString + 32

// maxLength is the length above which a string is none: no block of fields has so many bytes.
const maxLength = 1 << 31

// Field is a header field. Name and Value are valid until the next call of the Decoder that made it.
type Field struct {
	Name, Value  []byte
	NameUnknown  bool // Name is not known: it refers to an entry that was not seen
	ValueUnknown bool // Value is not known, for the same reason or because it is longer than MaxString
	Sensitive    bool // sent as a literal that is never indexed (RFC 7541 6.2.3)
}

// Scratch is memory that Decoders which are never used at the same time share. The zero value is ready.
type Scratch struct{ bytes []byte }

// Decoder decodes the header blocks of one direction of a connection, in their order. Not safe for concurrent use.
type Decoder struct {
	table   table
	scratch *Scratch
	pass    uint64 // bytes of an overlong string that are still to come
}

// Reset makes d ready for the first block of a connection. The memory of a table of the usual size is kept.
func (d *Decoder) Reset(s *Scratch) {
	if cap(d.table.bytes) > 2*DefaultTable {
		d.table = table{}
	}
	d.scratch, d.pass = s, 0
	d.table.reset(true)
}

// Lose says that blocks passed that d was not given, or not to their end: what is in the table is not known any more. The next
// call of Next begins a block.
func (d *Decoder) Lose() {
	d.pass = 0
	d.table.reset(false)
}

// Whole reports whether d knows the whole table, so that no field can be unknown but an overlong one.
func (d *Decoder) Whole() bool { return d.table.whole }

// Passing reports whether the next bytes belong to a value that is too long to be decoded.
func (d *Decoder) Passing() bool { return d.pass > 0 }

// Next decodes the next field of a block, which p begins with, into f. It returns how many bytes of p it took, and
//
//   - Done: f is a field;
//   - Ignored: the bytes are no field (a size update, a part of an overlong value); f is not set;
//   - NeedMore: p ends in the middle of a field, nothing was taken. At the end of a block that is an error;
//   - Invalid: no encoder would send that. The caller must Lose the rest of the block.
func (d *Decoder) Next(p []byte, f *Field) (int, protocol.State) {
	switch {
	case len(p) == 0:
		return 0, protocol.NeedMore
	case d.pass > 0:
		n := min(d.pass, uint64(len(p)))
		d.pass -= n
		return int(n), protocol.Ignored
	case p[0]&0x80 != 0: // RFC 7541 6.1
		return d.indexed(p, f)
	case p[0]&0x40 != 0: // 6.2.1
		return d.literal(p, f, 6)
	case p[0]&0x20 != 0: // 6.3
		size, n, s := integer(p, 5)
		if s == protocol.Done {
			d.table.resize(size)
			s = protocol.Ignored
		}
		return n, s
	}
	return d.literal(p, f, 4) // 6.2.2, 6.2.3
}

func (d *Decoder) indexed(p []byte, f *Field) (int, protocol.State) {
	i, n, s := integer(p, 7)
	if s != protocol.Done {
		return 0, s
	}
	if i == 0 {
		return 0, protocol.Invalid
	}
	*f = Field{}
	d.lookUp(i, f)
	return n, s
}

// lookUp sets name and value of the field with number i.
func (d *Decoder) lookUp(i uint64, f *Field) {
	if i <= staticSize {
		f.Name, f.Value = static[i].name, static[i].value
		return
	}
	i -= staticSize + 1
	if i >= uint64(d.table.len()) {
		d.table.whole = false // or the encoder is wrong, which is not for an observer to judge
		f.NameUnknown, f.ValueUnknown = true, true
		return
	}
	var e *entry
	f.Name, f.Value, e = d.table.get(int(i))
	f.NameUnknown, f.ValueUnknown = e.nameUnknown, e.valueUnknown
}

// literal decodes a field that is sent with its value. prefix is the number of bits of the name's number: 6 when the field
// is to be inserted in the table.
func (d *Decoder) literal(p []byte, f *Field, prefix uint) (int, protocol.State) {
	i, n, s := integer(p, prefix)
	if s != protocol.Done {
		return 0, s
	}
	*f = Field{Sensitive: prefix == 4 && p[0]&0x10 != 0}
	var name, value text
	if i == 0 {
		if name, s = readText(p[n:]); s != protocol.Done {
			return 0, s
		}
		if name.long() {
			return 0, protocol.Invalid
		}
		n += name.end
	}
	if value, s = readText(p[n:]); s != protocol.Done {
		return 0, s
	}
	if !d.setName(f, i, name) || !d.setValue(f, value) {
		return 0, protocol.Invalid
	}
	n += value.end
	size := uint64(len(f.Name)) + uint64(len(f.Value)) + entryOverhead
	if value.long() {
		f.ValueUnknown, d.pass = true, value.size
		size += value.least()
	}
	if prefix == 6 {
		d.table.add(f, size)
	}
	return n, protocol.Done
}

// setName copies the name to the scratch memory: the table may drop its entry when f is inserted (RFC 7541 4.4).
func (d *Decoder) setName(f *Field, i uint64, name text) (ok bool) {
	b := d.scratch.bytes[:0]
	switch {
	case i == 0:
		b, ok = name.append(b)
	case i <= staticSize:
		f.Name = static[i].name
		d.scratch.bytes = b
		return true
	default:
		var e Field
		d.lookUp(i, &e)
		f.NameUnknown = e.NameUnknown
		b, ok = append(b, e.Name...), true
	}
	d.scratch.bytes, f.Name = b, b
	return ok
}

func (d *Decoder) setValue(f *Field, value text) (ok bool) {
	if value.long() {
		return true
	}
	if !value.huffman {
		f.Value = value.bytes
		return true
	}
	b := d.scratch.bytes
	from := len(b)
	b, ok = value.append(b)
	d.scratch.bytes, f.Value = b, b[from:]
	return ok
}

// text is a string as it was sent (RFC 7541 5.2).
type text struct {
	bytes   []byte // unless it is long
	size    uint64 // as sent
	end     int    // number of bytes it takes of what was read; those of its length alone when it is long
	huffman bool
}

func (s *text) long() bool { return s.size > MaxString }

// least is the smallest number of bytes that it can mean.
func (s *text) least() uint64 {
	if s.huffman {
		return s.size / longest * 8
	}
	return s.size
}

func (s *text) append(b []byte) ([]byte, bool) {
	if s.huffman {
		return appendHuffman(b, s.bytes)
	}
	return append(b, s.bytes...), true
}

// readText reads the string that p begins with. The result is Done, too, for one that is too long to be read.
func readText(p []byte) (s text, state protocol.State) {
	if len(p) == 0 {
		return s, protocol.NeedMore
	}
	size, n, state := integer(p, 7)
	if state != protocol.Done {
		return s, state
	}
	s = text{size: size, end: n, huffman: p[0]&0x80 != 0}
	switch {
	case size > maxLength:
		return s, protocol.Invalid
	case s.long():
		return s, protocol.Done
	case uint64(len(p)-n) < size:
		return s, protocol.NeedMore
	}
	s.bytes = p[n : n+int(size)]
	s.end += int(size)
	return s, protocol.Done
}

// integer reads a number whose first bits are the lower ones of p[0] (RFC 7541 5.1), and returns how many bytes it takes.
func integer(p []byte, prefix uint) (v uint64, n int, s protocol.State) {
	mask := uint64(1)<<prefix - 1
	if v = uint64(p[0]) & mask; v < mask {
		return v, 1, protocol.Done
	}
	const maxBytes = 9 // that fit in 63 bits
	for n, shift := 1, uint(0); n < len(p); n, shift = n+1, shift+7 {
		if n > maxBytes {
			return 0, 0, protocol.Invalid
		}
		v += uint64(p[n]&0x7f) << shift
		if p[n]&0x80 == 0 {
			return v, n + 1, protocol.Done
		}
	}
	return 0, 0, protocol.NeedMore
}
