// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"

	"sonde/exporters/otlp"
)

// counter receives OTLP and counts spans without decoding them, so that the receiver's processor time is not what limits.
type counter struct {
	mu        sync.Mutex
	byService map[string]uint64
}

// Serve receives until in ends, then writes the counts to out as JSON. The first line of out is the endpoint for spans. It is what the other
// process runs.
func Serve(protocol otlp.Protocol, in io.Reader, out io.Writer) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c := counter{byService: map[string]uint64{}}
	stop := c.serveHTTP
	if protocol == otlp.GRPC {
		stop = c.serveGRPC
	}
	end := stop(ln)
	if _, err := fmt.Fprintf(out, "http://%s/v1/traces\n", ln.Addr()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	end()
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(err, json.NewEncoder(out).Encode(c.byService))
}

func (c *counter) serveHTTP(ln net.Listener) func() {
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = c.count(body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})}
	go func() { _ = s.Serve(ln) }()
	return func() { _ = s.Close() }
}

func (c *counter) serveGRPC(ln net.Listener) func() {
	s := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}))
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "opentelemetry.proto.collector.trace.v1.TraceService", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Export", Handler: c.export}},
	}, c)
	go func() { _ = s.Serve(ln) }()
	return s.Stop
}

// rawCodec passes messages on as they are.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = data
	return nil
}

// export is the method's handler in the form that gRPC's generated code has.
func (c *counter) export(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var request []byte
	if err := decode(&request); err != nil {
		return nil, err
	}
	return &[]byte{}, c.count(request)
}

// count adds the spans of an ExportTraceServiceRequest: field 1 holds resources, field 2 of those scopes, field 2 of those
// spans.
func (c *counter) count(request []byte) error {
	return fields(request, 1, func(resource []byte) error {
		spans, service := uint64(0), ""
		err := fields(resource, 2, func(scope []byte) error {
			return fields(scope, 2, func([]byte) error {
				spans++
				return nil
			})
		})
		err = errors.Join(err, fields(resource, 1, func(attributes []byte) error {
			return fields(attributes, 1, func(pair []byte) error {
				if string(sub(pair, 1)) == "service.name" { // a KeyValue with an AnyValue
					service = string(sub(sub(pair, 2), 1))
				}
				return nil
			})
		}))
		c.mu.Lock()
		defer c.mu.Unlock()
		c.byService[service] += spans
		return err
	})
}

// sub returns a field of a message, nil when it has none.
func sub(message []byte, wanted protowire.Number) (found []byte) {
	_ = fields(message, wanted, func(content []byte) error {
		found = content
		return nil
	})
	return found
}

func fields(message []byte, wanted protowire.Number, each func([]byte) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		size := protowire.ConsumeFieldValue(number, kind, message)
		if size < 0 {
			return protowire.ParseError(size)
		}
		if number == wanted && kind == protowire.BytesType {
			content, _ := protowire.ConsumeBytes(message)
			if err := each(content); err != nil {
				return err
			}
		}
		message = message[size:]
	}
	return nil
}
