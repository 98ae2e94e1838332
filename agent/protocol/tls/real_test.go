// SPDX-License-Identifier: Apache-2.0

package tls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	stdtls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"sonde/agent/protocol"
)

// piece is what one call of Read or Write moved.
type piece struct {
	dir  protocol.Dir
	data []byte
}

// tap records what passes a connection, in the order seen by its owner.
type tap struct {
	net.Conn
	mu     sync.Mutex
	pieces []piece
}

func (c *tap) note(d protocol.Dir, p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p) > 0 {
		c.pieces = append(c.pieces, piece{d, bytes.Clone(p)})
	}
}

func (c *tap) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.note(protocol.Received, p[:n])
	return n, err
}

func (c *tap) Write(p []byte) (int, error) {
	c.note(protocol.Sent, p)
	return c.Conn.Write(p)
}

var testCertificate = sync.OnceValue(func() stdtls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"test.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	return stdtls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

// configs returns what a client and a server need to talk to each other.
func configs(version uint16) (client, server *stdtls.Config) {
	pool := x509.NewCertPool()
	pool.AddCert(testCertificate().Leaf)
	client = &stdtls.Config{ServerName: "test.example", RootCAs: pool, MinVersion: version, MaxVersion: version}
	server = &stdtls.Config{Certificates: []stdtls.Certificate{testCertificate()}, MinVersion: version, MaxVersion: version}
	return client, server
}

// shake makes a handshake over loopback, sends "hello" both ways, and returns what the client saw of it.
func shake(t testing.TB, client, server *stdtls.Config) ([]piece, stdtls.ConnectionState, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		raw, err := l.Accept()
		if err != nil {
			return
		}
		c := stdtls.Server(raw, server)
		defer c.Close()
		_, _ = io.Copy(c, c)
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
	tapped := &tap{Conn: raw}
	c := stdtls.Client(tapped, client)
	_, err = c.Write([]byte("hello"))
	if err == nil {
		_, err = io.ReadFull(c, make([]byte, 5))
	}
	state := c.ConnectionState()
	_ = c.Close()
	_ = raw.Close()
	<-done
	return tapped.pieces, state, err
}

func TestRealHandshakes(t *testing.T) {
	versions := map[uint16]string{stdtls.VersionTLS10: "1.0", stdtls.VersionTLS11: "1.1", stdtls.VersionTLS12: "1.2", stdtls.VersionTLS13: "1.3"}
	for version, name := range versions {
		t.Run(name, func(t *testing.T) {
			client, server := configs(version)
			client.NextProtos, server.NextProtos = []string{"h2", "http/1.1"}, []string{"http/1.1"}
			pieces, state, err := shake(t, client, server)
			if err != nil {
				t.Fatal(err)
			}
			o := observe(t, protocol.Start{}).pieces(pieces)
			f := o.one()
			if f.Version != name || !f.Established || f.Resumed || f.Retried || f.ServerName != "test.example" || len(f.ALPN) != 2 || f.Offered[0] != name {
				t.Errorf("%+v", f)
			}
			if want := stdtls.CipherSuiteName(state.CipherSuite); f.Cipher != want {
				t.Errorf("cipher %s, want %s", f.Cipher, want)
			}
			if f.Curve != curveNames[state.CurveID] {
				t.Errorf("curve %s, want %s", f.Curve, state.CurveID)
			}
			if version < stdtls.VersionTLS13 && f.NextProto != state.NegotiatedProtocol || version == stdtls.VersionTLS13 && f.NextProto != "" {
				t.Errorf("chose %q, want %q", f.NextProto, state.NegotiatedProtocol)
			}
		})
	}
}

var curveNames = map[stdtls.CurveID]string{stdtls.X25519: "x25519", stdtls.X25519MLKEM768: "X25519MLKEM768", stdtls.CurveP256: "secp256r1", stdtls.CurveP384: "secp384r1"}

func TestRealResumption(t *testing.T) {
	for version, name := range map[uint16]string{stdtls.VersionTLS12: "1.2", stdtls.VersionTLS13: "1.3"} {
		client, server := configs(version)
		client.ClientSessionCache = stdtls.NewLRUClientSessionCache(1)
		for i := range 2 {
			pieces, state, err := shake(t, client, server)
			if err != nil {
				t.Fatal(err)
			}
			f := observe(t, protocol.Start{}).pieces(pieces).one()
			if f.Resumed != state.DidResume || state.DidResume != (i == 1) || f.Version != name || !f.Established {
				t.Errorf("connection %d: resumed %v, want %v: %+v", i, f.Resumed, state.DidResume, f)
			}
		}
	}
}

func TestRealRetry(t *testing.T) {
	client, server := configs(stdtls.VersionTLS13)
	client.CurvePreferences = []stdtls.CurveID{stdtls.X25519, stdtls.CurveP384}
	server.CurvePreferences = []stdtls.CurveID{stdtls.CurveP384}
	pieces, state, err := shake(t, client, server)
	if err != nil || !state.HelloRetryRequest {
		t.Fatalf("no retry: %v", err)
	}
	o := observe(t, protocol.Start{}).pieces(pieces)
	if f := o.one(); !f.Retried || !f.Established || f.Curve != "secp384r1" || f.Resumed {
		t.Errorf("%+v", f)
	}
	if r := o.got[0]; r.Start != ms || r.ResponseStart <= r.RequestEnd {
		t.Errorf("times %v %v %v %v", r.Start, r.RequestEnd, r.ResponseStart, r.End)
	}
}

func TestRealFailures(t *testing.T) {
	tests := []struct {
		name    string
		version uint16
		change  func(client, server *stdtls.Config)
		kind    string
		from    string
	}{
		{"no common application protocol", stdtls.VersionTLS12, func(c, s *stdtls.Config) {
			c.NextProtos, s.NextProtos = []string{"h2"}, []string{"http/1.1"}
		}, "no_application_protocol", "server"},
		{"no common application protocol in TLS 1.3", stdtls.VersionTLS13, func(c, s *stdtls.Config) {
			c.NextProtos, s.NextProtos = []string{"h2"}, []string{"http/1.1"}
		}, "no_application_protocol", "server"},
		{"certificate refused", stdtls.VersionTLS12, func(c, _ *stdtls.Config) { c.RootCAs = nil }, "bad_certificate", "client"},
		{"certificate refused in TLS 1.3", stdtls.VersionTLS13, func(c, _ *stdtls.Config) { c.RootCAs = nil }, "encrypted_alert", ""},
		{"no common version", stdtls.VersionTLS12, func(_, s *stdtls.Config) { s.MinVersion, s.MaxVersion = stdtls.VersionTLS13, 0 },
			"protocol_version", "server"},
		{"no common cipher", stdtls.VersionTLS12, func(c, s *stdtls.Config) {
			c.CipherSuites, s.CipherSuites = []uint16{stdtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, []uint16{stdtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
		}, "handshake_failure", "server"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client, server := configs(test.version)
			test.change(client, server)
			pieces, _, err := shake(t, client, server)
			if err == nil {
				t.Fatal("the handshake did not fail")
			}
			o := observe(t, protocol.Start{}).pieces(pieces)
			f, r := o.one(), o.got[0]
			wantAlert := test.kind
			if test.from == "" {
				wantAlert = ""
			}
			if r.ErrorType != test.kind || f.Alert != wantAlert || f.AlertFrom != test.from || f.Established {
				t.Errorf("%s %+v, client says %v", r.ErrorType, f, err)
			}
		})
	}
}
