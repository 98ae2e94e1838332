// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sonde/exporters/batch"
)

// authority makes certificates for one test.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	dir  string
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.key = a.newKey()
	der := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}, nil, a.key)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

// sign makes a certificate, of itself where there is no parent.
func (a *authority) sign(c, parent *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

// issue makes a key pair for 127.0.0.1 and leaves it in name.pem and name.key.
func (a *authority) issue(name string) tls.Certificate {
	key := a.newKey()
	der := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, key)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", keyDER)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) write(name, kind string, der []byte) {
	if err := os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// mutual is the configuration of a server that wants certificates of clients.
func (a *authority) mutual() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{
		Certificates: []tls.Certificate{a.issue("server")}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS12,
	}
}

// fromEnvironment makes a configuration as cmd/sonde does, with short times.
func fromEnvironment(t *testing.T, variables map[string]string) Config {
	t.Helper()
	for name, value := range variables {
		t.Setenv(name, value)
	}
	c := testConfig("", "")
	c.Protocol = HTTPProtobuf
	if err := c.Env(os.Getenv); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMutualTLSByTheEnvironment(t *testing.T) {
	for _, protocol := range []Protocol{GRPC, HTTPProtobuf} {
		for _, tt := range []struct {
			name          string
			ca, cert, key string
			reaches       bool
		}{
			{"with a certificate of the authority", "ca.pem", "client.pem", "client.key", true},
			{"without a certificate", "ca.pem", "", "", false},
			{"of an authority that the client does not know", "", "client.pem", "client.key", false},
		} {
			t.Run(string(protocol)+"/"+tt.name, func(t *testing.T) {
				a := newAuthority(t)
				a.issue("client")
				var recv *target
				if protocol == GRPC {
					recv = listenGRPC(t, a.mutual(), nil)
				} else {
					recv = listenHTTP(t, a.mutual(), nil)
				}
				variables := map[string]string{
					"OTEL_EXPORTER_OTLP_PROTOCOL": string(protocol), "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": recv.url,
				}
				for name, file := range map[string]string{"CERTIFICATE": tt.ca, "CLIENT_CERTIFICATE": tt.cert, "CLIENT_KEY": tt.key} {
					if file != "" {
						variables["OTEL_EXPORTER_OTLP_"+name] = a.path(file)
					}
				}
				c := fromEnvironment(t, variables)
				c.Queue.Timeout = time.Second
				e := start(t, c)
				e.Request(spanRequest(1, nil))
				waitFor(t, "the queue to be empty", func() bool { return e.Stats().Queued == 0 })
				s := e.shutdown()
				if got := len(recv.Spans()) == 1; got != tt.reaches || tt.reaches != (s.Exported == 1) {
					t.Errorf("%d received, %+v", len(recv.Spans()), s)
				}
				// In TLS 1.3 a client learns after it has sent something that the server wanted a certificate.
				if !tt.reaches && s.Dropped[batch.Failed]+s.Dropped[batch.Unconfirmed] != 1 {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

func TestPlainTextToATLSPortFailsAndIsCounted(t *testing.T) {
	for _, protocol := range []Protocol{GRPC, HTTPProtobuf} {
		t.Run(string(protocol), func(t *testing.T) {
			a := newAuthority(t)
			var recv *target
			if protocol == GRPC {
				recv = listenGRPC(t, a.mutual(), nil)
			} else {
				recv = listenHTTP(t, a.mutual(), nil)
			}
			c := testConfig(protocol, strings.Replace(recv.url, "https", "http", 1))
			c.Queue.Timeout = 500 * time.Millisecond
			e := start(t, c)
			e.Request(spanRequest(1, nil))
			waitFor(t, "the queue to be empty", func() bool { return e.Stats().Queued == 0 })
			if s := e.shutdown(); s.Dropped[batch.Failed]+s.Dropped[batch.Unconfirmed] != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestCompressionAndHeadersByTheEnvironment(t *testing.T) {
	recv := listenHTTP(t, nil, nil)
	e := start(t, fromEnvironment(t, map[string]string{
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": recv.url, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
		"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20secret",
	}))
	e.Request(spanRequest(1, nil))
	if s := e.shutdown(); s.Exported != 1 {
		t.Fatalf("%+v", s)
	}
	h := recv.Headers()[0]
	if h.Get("Content-Encoding") != "gzip" || h.Get("Authorization") != "Bearer secret" || !strings.HasPrefix(h.Get("User-Agent"), "sonde/1.2.3 OTel-OTLP-Exporter-Go/") {
		t.Errorf("headers %v", h)
	}
}

func TestCompressionOverGRPC(t *testing.T) {
	recv := listenGRPC(t, nil, nil)
	e := start(t, fromEnvironment(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": recv.url, "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
	}))
	for i := range 100 {
		e.Request(spanRequest(i, nil))
	}
	if s := e.shutdown(); s.Exported != 100 || idsOnce(t, recv.Spans()) != 100 {
		t.Fatalf("%+v", s)
	}
}

func TestBaseEndpointHasThePathOfTracesAppended(t *testing.T) {
	recv := listenHTTP(t, nil, nil)
	e := start(t, fromEnvironment(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": strings.TrimSuffix(recv.url, "/v1/traces")}))
	e.Request(spanRequest(1, nil))
	if s := e.shutdown(); s.Exported != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestEnvironmentSetsLimitsAndTimes(t *testing.T) {
	variables := map[string]string{
		"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "7", "OTEL_ATTRIBUTE_COUNT_LIMIT": "9", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "0",
		"OTEL_SPAN_LINK_COUNT_LIMIT": "3", "OTEL_EXPORTER_OTLP_TIMEOUT": "1500", "OTEL_BSP_MAX_QUEUE_SIZE": "11",
		"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "12", "OTEL_BSP_SCHEDULE_DELAY": "13", "OTEL_BSP_EXPORT_TIMEOUT": "14",
		"OTEL_RESOURCE_ATTRIBUTES": "a=b%20c,d=e", "OTEL_SERVICE_NAME": "capture",
		"OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS": "GET, PURGE", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc",
	}
	c := Default()
	if err := c.Env(func(name string) string { return variables[name] }); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	want := Limits{Attributes: 7, Links: 3, ValueLength: 0}
	q := c.Queue
	if c.Limits != want || c.Timeout != 1500*time.Millisecond || c.Protocol != GRPC || q.Spans != 11 || q.BatchSpans != 11 ||
		q.Delay != 13*time.Millisecond || q.Timeout != 14*time.Millisecond || len(c.Resource.Extra) != 3 || c.Resource.Extra[0].Value != "capture" || c.Resource.Extra[1].Value != "b c" || !slices.Equal(c.Methods, []string{"GET", "PURGE"}) {
		t.Errorf("%+v", c)
	}
}

func TestEnvironmentWithMistakesNamesEach(t *testing.T) {
	c := Default()
	variables := map[string]string{
		"OTEL_SPAN_LINK_COUNT_LIMIT": "many", "OTEL_BSP_MAX_QUEUE_SIZE": "-1", "OTEL_RESOURCE_ATTRIBUTES": "nonsense",
		"OTEL_EXPORTER_OTLP_TIMEOUT": "10s", "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318", "OTEL_EXPORTER_OTLP_HEADERS": "x", "OTEL_EXPORTER_OTLP_PROTOCOL": "udp",
	}
	err := c.Env(func(name string) string { return variables[name] })
	for name := range variables {
		if name == "OTEL_EXPORTER_OTLP_PROTOCOL" {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "udp") {
		t.Errorf("got %v", err)
	}
}

func TestDefaultReceiverOfSpansNeedsNoTLS(t *testing.T) {
	for protocol, address := range map[Protocol]string{GRPC: "127.0.0.1:4317", HTTPProtobuf: "127.0.0.1:4318"} {
		ln, err := net.Listen("tcp", address)
		if err != nil {
			t.Skip(err) // another receiver is there
		}
		_ = ln.Close()
		recv := listenAt(t, protocol, address)
		e := start(t, fromEnvironment(t, map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": string(protocol)}))
		e.Request(spanRequest(1, nil))
		if s := e.shutdown(); s.Exported != 1 || len(recv.Spans()) != 1 {
			t.Errorf("%s: %+v", protocol, s)
		}
	}
}
