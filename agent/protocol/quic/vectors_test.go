// SPDX-License-Identifier: Apache-2.0

package quic

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"sonde/agent/protocol"
)

func unhex(s string) []byte {
	p, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return p
}

// The connection identifier, the ClientHello and the server's packet of RFC 9001 appendix A.
var (
	exampleID = unhex("8394c8f03e515708")
	// crypto is the CRYPTO frame of A.2, with which RFC 9369 A.2 begins too.
	exampleCrypto = unhex(`060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868
		04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578
		616d706c652e636f6dff01000100000a00080006001d00170018001000070005
		04616c706e000500050100000000003300260024001d00209370b2c9caa47fba
		baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400
		0d0010000e0403050306030203080408050806002d00020101001c0002400100
		3900320408ffffffffffffffff05048000ffff07048000ffff08011001048000
		75300901100f088394c8f03e51570806048000ffff`)
	exampleServer = unhex(`cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a
		5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3
		dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84
		022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc4
		2158407dd074ee`)
)

// example returns the client's packet of A.2 of a version's RFC.
func example(number uint32) []byte {
	first := byte(0xc3)
	if number == versionOf(0x6b3343cf).number {
		first = 0xd3
	}
	head := append(binary.BigEndian.AppendUint32([]byte{first}, number), unhex("088394c8f03e5157080000449e00000002")...)
	payload := append(bytes.Clone(exampleCrypto), make([]byte, 1162-len(exampleCrypto))...)
	client, _, err := deriveKeys(versionOf(number), exampleID)
	if err != nil {
		panic(err)
	}
	return seal(client, head, 2, 4, payload)
}

// seal protects a packet (RFC 9001 5.3, 5.4), whose header ends with its number in size bytes.
func seal(k *keys, head []byte, number uint64, size int, payload []byte) []byte {
	nonce := k.iv
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^number)
	p := k.aead.Seal(bytes.Clone(head), nonce[:], payload, head)
	at := len(head) - size
	var mask [aes.BlockSize]byte
	k.hp.Encrypt(mask[:], p[at+sampleAt:][:sampleSize])
	p[0] ^= mask[0] & 15
	for i := range size {
		p[at+i] ^= mask[1+i]
	}
	return p
}

func TestVectorsOfTheRFCs(t *testing.T) {
	tests := []struct {
		name           string
		number         uint32
		client, server string // initialisation vectors: they and the packets leave nothing open
		begin, end     string // of the client's packet
	}{
		{"RFC 9001", 1, "fa044b2f42a3fd3b46fb255c", "0ac1493ca1905853b0bba03e",
			"c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d92ec356c0bab7df5976d27cd449f63300099f399",
			"e221af44860018ab0856972e194cd934"},
		{"RFC 9369", 0x6b3343cf, "91f73e2351d8fa91660e909f", "dd13c276499c0249d3310652",
			"d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071bf03dceebfa162e75d6c96058bdbfb127cdfcbf903388e99ad04", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client, server, err := deriveKeys(versionOf(test.number), exampleID)
			if err != nil || !bytes.Equal(client.iv[:], unhex(test.client)) || !bytes.Equal(server.iv[:], unhex(test.server)) {
				t.Fatalf("%x %x %v", client.iv, server.iv, err)
			}
			p := example(test.number)
			if !bytes.HasPrefix(p, unhex(test.begin)) || !bytes.HasSuffix(p, unhex(test.end)) || len(p) != 1200 {
				t.Errorf("%d bytes: %x", len(p), p)
			}
		})
	}
}

func TestExampleConnection(t *testing.T) {
	o := observe(t).feed(protocol.Sent, example(1)).feed(protocol.Received, exampleServer)
	o.feed(protocol.Sent, append([]byte{0x40}, append(unhex("f067a5502a4262b5"), make([]byte, 30)...)...)).close("timeout")
	f, r := o.one(), o.got[0]
	if f.QUICVersion != "1" || f.Version != "1.3" || f.ServerName != "example.com" || f.ALPN[0] != "alpn" || f.Cipher != "TLS_AES_128_GCM_SHA256" ||
		f.Curve != "x25519" || !f.Established || f.Resumed {
		t.Errorf("%+v", f)
	}
	if r.Start != ms || r.RequestEnd != ms || r.ResponseStart != 2*ms || r.End != 3*ms || r.RequestBytes != 1239 || r.ResponseBytes != uint64(len(exampleServer)) {
		t.Errorf("%v %v %v %v, %d and %d bytes", r.Start, r.RequestEnd, r.ResponseStart, r.End, r.RequestBytes, r.ResponseBytes)
	}
}

func TestPacketNumbersAreCompleted(t *testing.T) { // RFC 9000 A.3
	for _, test := range []struct {
		truncated int64
		size      int
		largest   int64
		want      int64
	}{{0x9b32, 2, 0xa82f30ea, 0xa82f9b32}, {2, 4, -1, 2}, {0, 1, 255, 256}, {0xff, 1, 256, 255}, {0, 1, 510, 512}} {
		if got := fullNumber(test.truncated, test.size, test.largest); got != test.want {
			t.Errorf("%x after %x: %x, want %x", test.truncated, test.largest, got, test.want)
		}
	}
}
