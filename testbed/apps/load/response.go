// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"fmt"
	"strconv"
)

// response reads one answer at a time from the bytes of a connection (RFC 9112 6.3). It keeps the head and counts the body.
type response struct {
	head    []byte
	status  int
	inBody  bool
	chunked bool
	left    int  // bytes of the body, or of the chunk with its line end, still to come
	last    bool // the chunk being read is the last one
}

// feed takes p and reports whether the answer is complete. Bytes behind the end are an error: nothing is pipelined here.
func (r *response) feed(p []byte, method string) (bool, error) {
	if !r.inBody {
		r.head = append(r.head, p...)
		end := bytes.Index(r.head, []byte("\r\n\r\n"))
		if end < 0 {
			return false, nil
		}
		p = append([]byte(nil), r.head[end+4:]...)
		if err := r.parseHead(r.head[:end+2], method); err != nil {
			return false, err
		}
		r.head = r.head[:0]
		r.inBody = true
	}
	if r.chunked {
		return r.feedChunks(p)
	}
	if len(p) > r.left {
		return false, fmt.Errorf("%d bytes behind the end of an answer", len(p)-r.left)
	}
	r.left -= len(p)
	return r.left == 0, nil
}

func (r *response) parseHead(head []byte, method string) error {
	if len(head) < 12 || !bytes.HasPrefix(head, []byte("HTTP/1.1 ")) {
		return fmt.Errorf("not an HTTP/1.1 answer: %.40q", head)
	}
	status, err := strconv.Atoi(string(head[9:12]))
	if err != nil {
		return fmt.Errorf("status in %.40q: %w", head, err)
	}
	r.status, r.chunked, r.last, r.left = status, false, false, 0
	if method == "HEAD" || status == 204 || status == 304 {
		return nil
	}
	lower := bytes.ToLower(head)
	if bytes.Contains(lower, []byte("\r\ntransfer-encoding: chunked\r\n")) {
		r.chunked = true
		return nil
	}
	_, rest, found := bytes.Cut(lower, []byte("\r\ncontent-length: "))
	if !found {
		return fmt.Errorf("answer %d has no length", status)
	}
	line, _, _ := bytes.Cut(rest, []byte("\r\n"))
	r.left, err = strconv.Atoi(string(line))
	return err
}

// feedChunks follows chunked coding without trailers, which no server of the testbed sends.
func (r *response) feedChunks(p []byte) (bool, error) {
	for len(p) > 0 {
		if r.left > 0 {
			n := min(r.left, len(p))
			r.left -= n
			p = p[n:]
			if r.left == 0 && r.last {
				return true, nil
			}
			continue
		}
		r.head = append(r.head, p[0])
		p = p[1:]
		if !bytes.HasSuffix(r.head, []byte("\r\n")) {
			continue
		}
		size, err := strconv.ParseUint(string(bytes.TrimSpace(r.head)), 16, 31)
		if err != nil {
			return false, fmt.Errorf("chunk size %q: %w", r.head, err)
		}
		r.head = r.head[:0]
		r.last = size == 0
		r.left = int(size) + 2
	}
	return false, nil
}

// reset makes r ready for the next answer on the same connection.
func (r *response) reset() { *r = response{head: r.head[:0]} }
