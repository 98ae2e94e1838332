// SPDX-License-Identifier: Apache-2.0

package mongodb

import (
	"bytes"
	"encoding/binary"

	"sonde/agent/protocol"
)

// Opcodes.
const (
	opReply       = 1
	opUpdate      = 2001
	opInsert      = 2002
	opQuery       = 2004
	opGetMore     = 2005
	opDelete      = 2006
	opKillCursors = 2007
	opCompressed  = 2012
	opMsg         = 2013
)

// opNames are the names of opcodes in the protocol's documentation.
var opNames = map[uint32]string{
	opReply: "OP_REPLY", opUpdate: "OP_UPDATE", opInsert: "OP_INSERT", opQuery: "OP_QUERY", opGetMore: "OP_GET_MORE",
	opDelete: "OP_DELETE", opKillCursors: "OP_KILL_CURSORS", opCompressed: "OP_COMPRESSED", opMsg: "OP_MSG",
}

const (
	headerSize = 16
	// MaxHead is the number of bytes of a message that are put together. Some drivers write the database behind the documents
	// of an insert.
	MaxHead = 64 << 10
	// MaxMessage is the number of bytes that a message may claim; servers take 48,000,000.
	MaxMessage = 64 << 20

	// Flags of OP_MSG.
	checksumPresent = 1 << 0
	moreToCome      = 1 << 1
	knownFlags      = checksumPresent | moreToCome | 1<<16
	requiredFlags   = 0xffff // those of which unknown ones must not be set
)

// header is the beginning of a message.
type header struct {
	id, answers uint32
	opcode      uint32
}

func parseHeader(p []byte) header {
	return header{id: binary.LittleEndian.Uint32(p[4:]), answers: binary.LittleEndian.Uint32(p[8:]), opcode: binary.LittleEndian.Uint32(p[12:])}
}

// size implements protocol.Framer.Size.
func size(p []byte) (uint64, protocol.State) {
	if len(p) >= 4 {
		if n := binary.LittleEndian.Uint32(p); n < headerSize+5 || n > MaxMessage {
			return 0, protocol.Invalid
		}
	}
	if len(p) < headerSize {
		return 0, protocol.NeedMore
	}
	if opNames[binary.LittleEndian.Uint32(p[12:])] == "" {
		return 0, protocol.Invalid
	}
	return uint64(binary.LittleEndian.Uint32(p)), protocol.Done
}

// probe implements protocol.Spec.Probe.
func probe(p []byte) protocol.Guess {
	_, state := size(p)
	switch {
	case state == protocol.Invalid:
		return protocol.GuessNo
	case state == protocol.NeedMore:
		return protocol.GuessMaybe
	}
	h := parseHeader(p)
	if h.opcode == opMsg && len(p) >= headerSize+5 {
		flags := binary.LittleEndian.Uint32(p[headerSize:])
		if flags&requiredFlags&^knownFlags != 0 || p[headerSize+4] > 2 {
			return protocol.GuessNo
		}
	}
	if h.opcode == opReply || h.answers != 0 {
		return protocol.GuessResponse
	}
	return protocol.GuessRequest
}

// message is what matters of one message, as far as it was captured. Its slices point into the frame.
type message struct {
	opcode     uint32 // of the message inside, for a compressed one
	compressed bool
	opaque     bool // compressed in a way that is not understood
	more       bool // moreToCome

	operation  []byte // name of the command; "" for an answer
	collection []byte
	database   []byte
	documents  int // of a bulk write, 0 when they are not known

	ok           bool // of an answer; unknown when it was cut before
	okKnown      bool
	code         int64 // of an answer that is not ok
	codeName     []byte
	writeCode    int64 // of the first write that failed
	writeName    []byte
	rows         int64
	rowsKnown    bool
	rowsAffected bool
}

// parse reads the message in p, header included. scratch is for what has to be inflated.
func (m *message) parse(p []byte, in *inflater) {
	*m = message{opcode: parseHeader(p).opcode}
	body := p[headerSize:]
	if m.opcode == opCompressed {
		m.compressed = true
		if len(body) < 9 {
			m.opaque = true
			return
		}
		m.opcode = binary.LittleEndian.Uint32(body)
		if body = in.inflate(body[8], body[9:]); len(body) == 0 {
			m.opaque = true
			if m.opcode != opMsg {
				m.legacyName()
			}
			return
		}
	}
	switch m.opcode {
	case opMsg:
		m.parseMsg(body)
	case opReply:
		m.parseReply(body)
	default:
		m.legacyName()
		m.parseLegacy(body)
	}
}

// parseMsg reads an OP_MSG behind its header.
func (m *message) parseMsg(p []byte) {
	if len(p) < 5 {
		return
	}
	m.more = binary.LittleEndian.Uint32(p)&moreToCome != 0
	p = p[4:]
	for len(p) > 4 {
		n := binary.LittleEndian.Uint32(p[1:])
		if n < 5 || n > MaxMessage {
			return
		}
		section := p[1:min(len(p), 1+int(n))]
		switch p[0] {
		case 0:
			m.parseBody(section)
		case 1:
			m.parseSequence(section, int(n))
		default:
			return
		}
		p = p[1+len(section):]
	}
}

// parseBody reads a command or its answer: which of them it is, the caller knows.
func (m *message) parseBody(p []byte) {
	w, ok := document(p)
	for first := true; ok && w.next(); first = false {
		if first && len(m.operation) == 0 {
			m.operation = w.name
			if namesCollection(w.name) {
				m.collection = w.text()
			}
		}
		m.element(&w)
	}
}

// element takes an element of the outermost document that has a meaning in any command or answer.
func (m *message) element(w *walker) {
	switch string(w.name) {
	case "$db":
		m.database = w.text()
	case "collection":
		if string(m.operation) == "getMore" {
			m.collection = w.text()
		}
	case "documents", "updates", "deletes":
		if w.kind == typeArray {
			if n, known := w.elements(); known {
				m.documents = n
			}
		}
	case "ok":
		n, known := w.number()
		m.ok, m.okKnown = n != 0, known
	case "code":
		if n, known := w.number(); known {
			m.code = n
		}
	case "codeName":
		m.codeName = w.text()
	case "n":
		if n, known := w.number(); known {
			m.rows, m.rowsKnown, m.rowsAffected = n, true, true
		}
	case "cursor":
		m.cursor(w)
	case "writeErrors":
		if in, ok := w.inner(); ok && in.next() {
			m.writeError(&in)
		}
	case "writeConcernError":
		if m.writeCode == 0 {
			m.writeError(w)
		}
	}
}

// writeError takes the error of an operation that went on.
func (m *message) writeError(w *walker) {
	for in, ok := w.inner(); ok && in.next(); {
		switch string(in.name) {
		case "code":
			m.writeCode, _ = in.number()
		case "codeName":
			m.writeName = in.text()
		}
	}
}

// cursor counts the documents that were returned.
func (m *message) cursor(w *walker) {
	for in, ok := w.inner(); ok && in.next(); {
		if name := string(in.name); name == "firstBatch" || name == "nextBatch" {
			n, known := in.elements()
			m.rows, m.rowsKnown, m.rowsAffected = int64(n), known, false
			return
		}
	}
}

// parseSequence counts the documents of a section of kind 1, which has size bytes.
func (m *message) parseSequence(p []byte, size int) {
	end := bytes.IndexByte(p[min(len(p), 4):], 0)
	if end < 0 || len(p) < size {
		return
	}
	switch p = p[4:]; string(p[:end]) {
	case "documents", "updates", "deletes":
	default:
		return
	}
	n := 0
	for p = p[end+1:]; len(p) >= 5; n++ {
		size := binary.LittleEndian.Uint32(p)
		if size < 5 || uint64(size) > uint64(len(p)) {
			return
		}
		p = p[size:]
	}
	m.documents = n
}

// legacyName names a legacy operation as the server's profiler does.
func (m *message) legacyName() {
	switch m.opcode {
	case opQuery:
		m.operation = []byte("query")
	case opInsert:
		m.operation = []byte("insert")
	case opUpdate:
		m.operation = []byte("update")
	case opDelete:
		m.operation = []byte("remove")
	case opGetMore:
		m.operation = []byte("getMore")
	case opKillCursors:
		m.operation = []byte("killCursors")
	}
}

// oneWay tells whether a request has no answer.
func (m *message) oneWay() bool {
	switch m.opcode {
	case opInsert, opUpdate, opDelete, opKillCursors:
		return true
	}
	return m.opcode == opMsg && m.more
}

// parseLegacy reads what comes behind the header of a legacy operation: flags or zero, and a name with the database before
// its first dot.
func (m *message) parseLegacy(p []byte) {
	if m.opcode == opKillCursors || len(p) < 5 {
		return
	}
	p = p[4:]
	end := bytes.IndexByte(p, 0)
	if end < 0 {
		return
	}
	var ok bool
	m.database, m.collection, ok = bytes.Cut(p[:end], []byte("."))
	if !ok {
		return
	}
	if p = p[end+1:]; m.opcode == opQuery && string(m.collection) == "$cmd" && len(p) > 8 {
		m.operation, m.collection = nil, nil
		m.parseBody(p[8:])
	}
}

// parseReply reads an OP_REPLY behind its header.
func (m *message) parseReply(p []byte) {
	if len(p) < 20 {
		return
	}
	flags := binary.LittleEndian.Uint32(p)
	m.rows, m.rowsKnown = int64(int32(binary.LittleEndian.Uint32(p[16:]))), true
	m.ok, m.okKnown = flags&3 == 0, true
	if flags&1 != 0 { // the cursor was not found
		m.code, m.codeName = 43, []byte("CursorNotFound")
	}
	w, ok := document(p[20:])
	for ok && w.next() {
		switch string(w.name) {
		case "ok", "code", "codeName":
			m.element(&w)
		case "$err":
			m.ok = false
		}
	}
}

// namesCollection tells whether the value of a command's first element is a collection: of other commands it is a user, a
// role, or anything.
func namesCollection(name []byte) bool {
	switch string(name) {
	case "find", "insert", "update", "delete", "aggregate", "count", "distinct", "findAndModify", "findandmodify", "mapReduce",
		"mapreduce", "create", "drop", "createIndexes", "dropIndexes", "deleteIndexes", "listIndexes", "collMod", "collStats",
		"collstats", "validate", "compact", "reIndex", "convertToCapped", "cloneCollectionAsCapped", "killCursors", "geoSearch",
		"geoNear", "group", "parallelCollectionScan", "planCacheClear", "planCacheListFilters", "planCacheSetFilter",
		"planCacheClearFilters", "createSearchIndexes", "dropSearchIndex", "updateSearchIndex", "listSearchIndexes", "datasize",
		"touch", "setIndexCommitQuorum", "analyze":
		return true
	}
	return false
}
