// SPDX-License-Identifier: Apache-2.0

package quic

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
)

// version is what differs between versions of QUIC.
type version struct {
	number  uint32
	name    string
	salt    []byte
	label   string // before "key", "iv" and "hp"
	initial byte   // numbers of packet types
	retry   byte
}

// Salts of the versions (RFC 9001 5.2, RFC 9369 3.3.1, and the drafts).
var (
	salt1       = []byte{0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a}
	salt2       = []byte{0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9}
	saltDraft29 = []byte{0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99}
	saltDraft23 = []byte{0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02}
)

var versions = []version{
	{number: 0x00000001, name: "1", salt: salt1, label: "quic ", initial: 0, retry: 3},
	{number: 0x6b3343cf, name: "2", salt: salt2, label: "quicv2 ", initial: 1, retry: 0},
	{number: 0xff00001d, name: "draft-29", salt: saltDraft29, label: "quic ", initial: 0, retry: 3},
	{number: 0xff00001b, name: "draft-27", salt: saltDraft23, label: "quic ", initial: 0, retry: 3},
	{number: 0xff00001c, name: "draft-28", salt: saltDraft23, label: "quic ", initial: 0, retry: 3},
	{number: 0xff00001e, name: "draft-30", salt: saltDraft29, label: "quic ", initial: 0, retry: 3},
	{number: 0xff00001f, name: "draft-31", salt: saltDraft29, label: "quic ", initial: 0, retry: 3},
	{number: 0xff000020, name: "draft-32", salt: saltDraft29, label: "quic ", initial: 0, retry: 3},
	{number: 0xff000021, name: "draft-33", salt: salt1, label: "quic ", initial: 0, retry: 3},
	{number: 0xff000022, name: "draft-34", salt: salt1, label: "quic ", initial: 0, retry: 3},
}

// versionOf returns the version with a number, nil for one that cannot be read.
func versionOf(number uint32) *version {
	for i := range versions {
		if versions[i].number == number {
			return &versions[i]
		}
	}
	return nil
}

// keys protect the Initial packets of one side.
type keys struct {
	aead cipher.AEAD
	iv   [12]byte
	hp   cipher.Block // of the header
}

// deriveKeys makes the keys of both sides from the client's destination connection identifier (RFC 9001 5.2).
func deriveKeys(v *version, id []byte) (client, server *keys, err error) {
	secret, err := hkdf.Extract(sha256.New, id, v.salt)
	if err != nil {
		return nil, nil, err
	}
	if client, err = sideKeys(v, secret, "client in"); err != nil {
		return nil, nil, err
	}
	server, err = sideKeys(v, secret, "server in")
	return client, server, err
}

func sideKeys(v *version, initial []byte, side string) (*keys, error) {
	secret, err := expandLabel(initial, side, sha256.Size)
	if err != nil {
		return nil, err
	}
	var parts [3][]byte
	for i, part := range []struct {
		name string
		size int
	}{{"key", 16}, {"iv", 12}, {"hp", 16}} {
		if parts[i], err = expandLabel(secret, v.label+part.name, part.size); err != nil {
			return nil, err
		}
	}
	block, err := aes.NewCipher(parts[0])
	if err != nil {
		return nil, err
	}
	k := &keys{iv: [12]byte(parts[1])}
	if k.aead, err = cipher.NewGCM(block); err != nil {
		return nil, err
	}
	k.hp, err = aes.NewCipher(parts[2])
	return k, err
}

// expandLabel is HKDF-Expand-Label without a context (RFC 8446 7.1).
func expandLabel(secret []byte, label string, size int) ([]byte, error) {
	label = "tls13 " + label
	info := append([]byte{0, byte(size), byte(len(label))}, label...)
	return hkdf.Expand(sha256.New, secret, string(append(info, 0)), size)
}

const (
	sampleAt   = 4 // bytes behind the beginning of the packet number (RFC 9001 5.4.2)
	sampleSize = 16
)

// open removes the protection of a packet (RFC 9001 5.3, 5.4), whose number begins at an offset. p is changed. largest is
// the highest number read before, -1 when there was none.
func (k *keys) open(p []byte, at int, largest int64) (payload []byte, number int64, ok bool) {
	if len(p) < at+sampleAt+sampleSize {
		return nil, 0, false
	}
	var mask [aes.BlockSize]byte
	k.hp.Encrypt(mask[:], p[at+sampleAt:at+sampleAt+sampleSize])
	p[0] ^= mask[0] & 0x0f
	size := int(p[0]&3) + 1
	truncated := int64(0)
	for i := range size {
		p[at+i] ^= mask[1+i]
		truncated = truncated<<8 | int64(p[at+i])
	}
	number = fullNumber(truncated, size, largest)
	nonce := k.iv
	low := binary.BigEndian.Uint64(nonce[4:]) ^ uint64(number)
	binary.BigEndian.PutUint64(nonce[4:], low)
	head := p[:at+size]
	payload, err := k.aead.Open(p[at+size:at+size], nonce[:], p[at+size:], head)
	return payload, number, err == nil
}

// fullNumber completes a packet number (RFC 9000 A.3).
func fullNumber(truncated int64, size int, largest int64) int64 {
	expected, window := largest+1, int64(1)<<(8*size)
	n := expected&^(window-1) | truncated
	switch {
	case n <= expected-window/2 && n < 1<<62-window:
		return n + window
	case n > expected+window/2 && n >= window:
		return n - window
	}
	return n
}
