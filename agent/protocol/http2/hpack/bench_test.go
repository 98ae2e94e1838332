// SPDX-License-Identifier: Apache-2.0

package hpack

import (
	"bytes"
	"testing"

	reference "golang.org/x/net/http2/hpack"

	"sonde/agent/protocol"
)

// grpcBlocks are the heads of n calls as grpc-go sends them.
func grpcBlocks(n int) story {
	var out bytes.Buffer
	e := reference.NewEncoder(&out)
	s := story{name: "grpc"}
	for range n {
		for _, f := range []reference.HeaderField{
			{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"},
			{Name: ":path", Value: "/hipstershop.ProductCatalogService/GetProduct"}, {Name: ":authority", Value: "productcatalogservice:3550"},
			{Name: "content-type", Value: "application/grpc"}, {Name: "user-agent", Value: "grpc-go/1.64.0"}, {Name: "te", Value: "trailers"},
			{Name: "grpc-timeout", Value: "4999912u"},
			{Name: "traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Sensitive: true},
		} {
			if err := e.WriteField(f); err != nil {
				panic(err)
			}
		}
		s.blocks = append(s.blocks, bytes.Clone(out.Bytes()))
		out.Reset()
	}
	return s
}

func benchmark(b *testing.B, all []story, decode func([]byte) error, reset func()) {
	size := 0
	for _, s := range all {
		for _, p := range s.blocks {
			size += len(p)
		}
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, s := range all {
			reset()
			for _, p := range s.blocks {
				if err := decode(p); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, set := range []struct {
		name    string
		stories []story
	}{{"stories", stories(b)}, {"grpc", []story{grpcBlocks(100)}}} {
		b.Run(set.name+"/sonde", func(b *testing.B) {
			d, fields := newDecoder(), 0
			benchmark(b, set.stories, func(p []byte) error {
				var f Field
				for len(p) > 0 {
					n, s := d.Next(p, &f)
					if s == protocol.NeedMore || s == protocol.Invalid {
						b.Fatal("not a block")
					}
					p = p[n:]
					fields++
				}
				return nil
			}, func() { d.Reset(d.scratch) })
		})
		b.Run(set.name+"/reference", func(b *testing.B) {
			fields := 0
			var d *reference.Decoder
			benchmark(b, set.stories, func(p []byte) error {
				if _, err := d.Write(p); err != nil {
					return err
				}
				return d.Close()
			}, func() {
				d = reference.NewDecoder(DefaultTable, func(reference.HeaderField) { fields++ })
			})
		})
	}
}
