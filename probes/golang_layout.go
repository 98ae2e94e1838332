// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"errors"
	"fmt"

	"sonde/probes/event"
	"sonde/probes/symbols"
)

// goNone says that a program does not have what a layout asks for (GO_NONE of bpf/golang.h).
const goNone = 0xffff

// goTarget is a function of Go programs that a uprobe is put to.
type goTarget struct {
	function string
	caller   string // asked where function returns to it, "": where function begins
	program  string // of golang.bpf.c
	fill     func(*golangGoLayout, symbols.Structs) error
}

// Names of packages. HTTP/2 was copied into net/http until 1.26, under names of its own, and is a package since.
const (
	netHTTP       = "net/http"
	internalHTTP2 = "net/http/internal/http2"
	netHTTP2      = "golang.org/x/net/http2"
	grpcTransport = "google.golang.org/grpc/internal/transport"
)

// goTargets are the hand-overs between goroutines, see docs/design/0003.
var goTargets = []goTarget{
	{function: netHTTP + ".(*persistConn).roundTrip", program: "golang_http", fill: fillHTTP},
	{function: netHTTP + ".(*http2serverConn).runHandler", program: "golang_http2", fill: fillBundled},
	{function: internalHTTP2 + ".(*serverConn).runHandler", program: "golang_http2", fill: fillInternal},
	{function: netHTTP2 + ".(*serverConn).runHandler", program: "golang_xhttp2", fill: fillExternal},
	{function: "google.golang.org/grpc.(*Server).handleStream", program: "golang_grpcs", fill: fillGRPCServer},
	{
		function: grpcTransport + ".(*http2Client).NewStream", caller: "google.golang.org/grpc.(*csAttempt).newStream",
		program: "golang_grpcc", fill: fillGRPCClient,
	},
}

// The types that layouts are made of.
var (
	goRoutine  = symbols.TypeName{Package: "runtime", Name: "g"}
	goTCPConn  = symbols.TypeName{Package: "net", Name: "TCPConn"}
	goNetFD    = symbols.TypeName{Package: "net", Name: "netFD"}
	goTCPAddr  = symbols.TypeName{Package: "net", Name: "TCPAddr"}
	goPersist  = symbols.TypeName{Package: netHTTP, Name: "persistConn"}
	grpcServer = symbols.TypeName{Package: grpcTransport, Name: "http2Server"}
	grpcClient = symbols.TypeName{Package: grpcTransport, Name: "http2Client"}
	// The stream of each side, which was one type for both before 1.69.
	grpcServerStream = symbols.TypeName{Package: grpcTransport, Name: "ServerStream"}
	grpcClientStream = symbols.TypeName{Package: grpcTransport, Name: "ClientStream"}
	grpcStream       = symbols.TypeName{Package: grpcTransport, Name: "Stream"}
)

// http2Types are the types of one copy of the HTTP/2 server.
type http2Types struct{ conn, writer, state, stream symbols.TypeName }

func http2TypesOf(pkg, prefix string) http2Types {
	name := func(s string) symbols.TypeName { return symbols.TypeName{Package: pkg, Name: prefix + s} }
	return http2Types{name("serverConn"), name("responseWriter"), name("responseWriterState"), name("stream")}
}

var (
	bundled  = http2TypesOf(netHTTP, "http2")
	internal = http2TypesOf(internalHTTP2, "")
	external = http2TypesOf(netHTTP2, "")
)

// goTypes are all types that a layout may need.
func goTypes() []symbols.TypeName {
	list := []symbols.TypeName{
		goRoutine, goTCPConn, goNetFD, goTCPAddr, goPersist, grpcServer, grpcClient, grpcServerStream, grpcClientStream, grpcStream,
	}
	for _, t := range []http2Types{bundled, internal, external} {
		list = append(list, t.conn, t.writer, t.state, t.stream)
	}
	return list
}

// goProgram is what uprobes need to know of an executable.
type goProgram struct {
	release string
	offsets event.GoOffsets
	layout  golangGoLayout
	sites   map[string][]uint64 // program of golang.bpf.c -> offsets in the file
	skipped []error             // why a function that is there gets no uprobe
}

// inspect finds out where a Go program keeps what the uprobes ask for. It fails when not even goroutines can be told apart.
func inspect(p *symbols.Program) (*goProgram, error) {
	types, err := p.Structs(goTypes()...)
	if err != nil {
		return nil, fmt.Errorf("find the types: %w", err)
	}
	g := &goProgram{release: p.Release, layout: emptyLayout(), sites: map[string][]uint64{}}
	if g.offsets, err = goOffsetsOf(types); err != nil {
		return nil, err
	}
	if !types.Has(goTCPConn) { // it does without package net
		return g, nil
	}
	if err := fillSockets(&g.layout, types); err != nil {
		return nil, err
	}
	return g, g.findSites(p, types)
}

func emptyLayout() golangGoLayout {
	l := golangGoLayout{HttpConn: goNone}
	l.Http2.Conn, l.Xhttp2.Conn, l.GrpcServer.Conn, l.GrpcClient.Conn = goNone, goNone, goNone, goNone
	return l
}

func (g *goProgram) findSites(p *symbols.Program, types symbols.Structs) error {
	var names []string
	for _, t := range goTargets {
		if names = append(names, t.function); t.caller != "" {
			names = append(names, t.caller)
		}
	}
	functions, err := p.Functions(names...)
	if err != nil {
		return fmt.Errorf("find the functions: %w", err)
	}
	for _, t := range goTargets {
		f, ok := functions[t.function]
		if !ok {
			continue
		}
		if err := g.addSites(p, t, f, functions[t.caller], types); err != nil {
			g.skipped = append(g.skipped, fmt.Errorf("%s: %w", t.function, err))
		}
	}
	return nil
}

func (g *goProgram) addSites(p *symbols.Program, t goTarget, f, caller symbols.Function, types symbols.Structs) error {
	if g.sites[t.program] != nil {
		return errors.New("the program has it twice")
	}
	if err := t.fill(&g.layout, types); err != nil {
		return err
	}
	if t.caller == "" {
		g.sites[t.program] = []uint64{p.Entry(f)}
		return nil
	}
	sites := p.AfterCalls(caller, f)
	if len(sites) == 0 {
		var err error
		if sites, err = p.Returns(f); err != nil {
			return err
		}
	}
	g.sites[t.program] = sites
	return nil
}

func goOffsetsOf(types symbols.Structs) (o event.GoOffsets, err error) {
	goid, err := wordOf(types, "goid", symbols.Uint64)
	if err != nil {
		return o, err
	}
	start, err := wordOf(types, "startpc", symbols.Uintptr)
	if err != nil {
		return o, err
	}
	o.Goid, o.StartPc = goid, start
	if parent, err := wordOf(types, "parentGoid", symbols.Uint64); err == nil { // kept since 1.21
		o.ParentGoid = parent
	}
	return o, nil
}

func wordOf(types symbols.Structs, field string, kind symbols.Kind) (uint32, error) {
	hop, err := types.Field(goRoutine, field)
	if err == nil && hop.Kind != kind {
		err = fmt.Errorf("runtime.g.%s is of kind %d", field, hop.Kind)
	}
	return hop.Offset, err
}

// place sets a field of a layout to the offset of a field of the program, which must be of this kind.
type place struct {
	to     *uint16
	typ    symbols.TypeName
	kind   symbols.Kind
	fields []string
}

func fill(types symbols.Structs, places ...place) error {
	offsets := make([]uint16, len(places))
	for i, p := range places {
		hop, err := types.Field(p.typ, p.fields...)
		if err != nil {
			return err
		}
		if hop.Kind != p.kind || hop.Offset >= goNone-8 {
			return fmt.Errorf("%s.%v is of kind %d and at offset %d", p.typ.Name, p.fields, hop.Kind, hop.Offset)
		}
		offsets[i] = uint16(hop.Offset)
	}
	for i, p := range places { // all or nothing: what is half known stays none
		*p.to = offsets[i]
	}
	return nil
}

func fillSockets(l *golangGoLayout, types symbols.Structs) error {
	return fill(types,
		place{&l.TcpFd, goTCPConn, symbols.Pointer, []string{"conn", "fd"}},
		place{&l.Sysfd, goNetFD, symbols.Int, []string{"pfd", "Sysfd"}},
		place{&l.Laddr, goNetFD, symbols.Interface, []string{"laddr"}},
		place{&l.Raddr, goNetFD, symbols.Interface, []string{"raddr"}},
		place{&l.TcpPort, goTCPAddr, symbols.Int, []string{"Port"}})
}

func fillHTTP(l *golangGoLayout, types symbols.Structs) error {
	return fill(types, place{&l.HttpConn, goPersist, symbols.Interface, []string{"conn"}})
}

func fillBundled(l *golangGoLayout, types symbols.Structs) error {
	s := &l.Http2
	return fillHTTP2(&s.Conn, &s.State, &s.Stream, &s.Id, types, bundled)
}

func fillInternal(l *golangGoLayout, types symbols.Structs) error {
	s := &l.Http2
	return fillHTTP2(&s.Conn, &s.State, &s.Stream, &s.Id, types, internal)
}

func fillExternal(l *golangGoLayout, types symbols.Structs) error {
	s := &l.Xhttp2
	return fillHTTP2(&s.Conn, &s.State, &s.Stream, &s.Id, types, external)
}

func fillHTTP2(conn, state, stream, id *uint16, types symbols.Structs, of http2Types) error {
	return fill(types,
		place{conn, of.conn, symbols.Interface, []string{"conn"}},
		place{state, of.writer, symbols.Pointer, []string{"rws"}},
		place{stream, of.state, symbols.Pointer, []string{"stream"}},
		place{id, of.stream, symbols.Uint32, []string{"id"}})
}

func fillGRPCServer(l *golangGoLayout, types symbols.Structs) error {
	s := &l.GrpcServer
	side := grpcServerStream
	if !types.Has(side) {
		side = grpcStream
	}
	if err := fillGRPCStream(&s.Inner, &s.Id, types, side); err != nil {
		return err
	}
	return fill(types, place{&s.Conn, grpcServer, symbols.Interface, []string{"conn"}})
}

func fillGRPCClient(l *golangGoLayout, types symbols.Structs) error {
	s := &l.GrpcClient
	side := grpcClientStream
	if !types.Has(side) {
		side = grpcStream
	}
	if err := fillGRPCStream(&s.Inner, &s.Id, types, side); err != nil {
		return err
	}
	if err := fill(types, place{&s.Transport, side, symbols.Pointer, []string{"ct"}}); err != nil {
		if err := fill(types, place{&s.Transport, side, symbols.Interface, []string{"ct"}}); err != nil {
			return err
		}
		s.Transport += 8 // releases around 1.66 have an interface there: the pointer stands behind its type
	}
	return fill(types, place{&s.Conn, grpcClient, symbols.Interface, []string{"conn"}})
}

// fillGRPCStream finds the number of a stream: in the stream itself, in the one that it has as a field, or points to.
func fillGRPCStream(inner, id *uint16, types symbols.Structs, side symbols.TypeName) error {
	path := []string{"Stream", "id"}
	if side == grpcStream {
		path = path[1:]
	}
	hops, err := types.Path(side, path...)
	if err != nil {
		return err
	}
	last := hops[len(hops)-1]
	if len(hops) > 2 || last.Kind != symbols.Uint32 || last.Offset >= goNone || hops[0].Offset >= goNone {
		return fmt.Errorf("the number of a stream is at %v", hops)
	}
	*inner, *id = goNone, uint16(last.Offset)
	if len(hops) == 2 {
		*inner = uint16(hops[0].Offset)
	}
	return nil
}
