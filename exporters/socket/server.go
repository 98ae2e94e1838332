// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"sonde/agent/view"
)

// api is the version of the protocol: another one where this one's clients would not understand an answer.
const api = 1

// Version says who answers.
type Version struct {
	Version string `json:"version"` // of sonde
	API     int    `json:"api"`
	PID     int    `json:"pid"`
}

type frozen struct {
	Frozen uint64 `json:"frozen"`
}

type values struct {
	Values []string `json:"values"`
}

// Server answers viewers. Safe for concurrent use.
type Server struct {
	config  Config
	world   view.World
	version string
	log     *slog.Logger
	large   large
	open    atomic.Pointer[connections] // nil before Serve
}

// New makes a server of world. version is sonde's.
func New(c Config, world view.World, version string, log *slog.Logger) *Server {
	return &Server{config: c, world: world, version: version, log: log, large: make(large, c.MaxLarge)}
}

// Viewers returns the number of processes that are connected now.
func (s *Server) Viewers() int {
	if open := s.open.Load(); open != nil {
		return open.viewers()
	}
	return 0
}

// closing is how long answers that are on their way are waited for at the end.
const closing = time.Second

// Serve answers on ln until ctx is done, and closes it. To be called once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	open := newConnections(ln, s.config.MaxConns)
	s.open.Store(open)
	server := &http.Server{
		Handler: s.routes(), ConnContext: withConnection, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: s.config.ReadTimeout, ReadTimeout: s.config.ReadTimeout, IdleTimeout: s.config.Idle,
		// From the end of the head of a request on: for the making of the answer, and then for the taking.
		WriteTimeout: s.config.ReadTimeout + 2*s.config.Answer, MaxHeaderBytes: 16 << 10,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(open) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve viewers: %w", err)
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	if server.Shutdown(patience) != nil {
		_ = server.Close() // the answers were given their time
	}
	<-served
	return nil
}

// route is a path with the method it takes.
type route struct {
	method, path string
	answer       func(*http.Request) (any, error)
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	all := []route{
		{http.MethodPost, "/v1/snapshot", nil},
		{http.MethodGet, "/v1/snapshot", nil},
		{http.MethodPost, "/v1/freeze", s.freeze},
		{http.MethodDelete, "/v1/frozen/{id}", s.thaw},
		{http.MethodGet, "/v1/values", s.values},
		{http.MethodGet, "/v1/version", s.versionOf},
	}
	var names []string
	for _, r := range all {
		names = append(names, r.method+" "+r.path)
		mux.HandleFunc(r.method+" "+r.path, s.admitted(func(w http.ResponseWriter, req *http.Request) {
			if r.answer == nil {
				s.snapshot(w, req)
				return
			}
			answer, err := r.answer(req)
			s.write(w, answer, err)
		}))
	}
	there := slices.Clip(names)
	mux.HandleFunc("/", s.admitted(func(w http.ResponseWriter, r *http.Request) {
		s.write(w, nil, &Error{fmt.Sprintf("there is no %s %s: ask for %s", r.Method, r.URL.Path, strings.Join(there, ", ")), CodeNotFound})
	}))
	return mux
}

// admitted answers those that are one too many, and bounds the time of the others.
func (s *Server) admitted(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if isRefused(r.Context()) {
			w.Header().Set("Connection", "close")
			s.write(w, nil, &Error{fmt.Sprintf("%d viewers are connected, which is the limit: close one", s.config.MaxConns), CodeBusy})
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), s.config.Answer)
		defer cancel()
		next(w, r.WithContext(ctx))
	}
}

// snapshot holds the place of a large answer until the peer has taken it.
func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) {
	q, err := queryOf(r)
	if err != nil {
		s.write(w, nil, err)
		return
	}
	leave, err := s.large.enter(r.Context(), q.Limit)
	if err != nil {
		s.write(w, nil, err)
		return
	}
	defer leave()
	answer, err := s.world.Snapshot(r.Context(), q)
	s.write(w, answer, err)
}

func queryOf(r *http.Request) (view.Query, error) {
	if r.Method == http.MethodPost {
		return decodeQuery(r.Body)
	}
	return parseQuery(r.URL.RawQuery)
}

func (s *Server) freeze(r *http.Request) (any, error) {
	id, err := s.world.Freeze(r.Context())
	return frozen{id}, err
}

func (s *Server) thaw(r *http.Request) (any, error) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, badQuery("%q is no identifier of a frozen world", r.PathValue("id"))
	}
	return struct{}{}, s.world.Thaw(r.Context(), id)
}

func (s *Server) values(r *http.Request) (any, error) {
	list, err := s.world.Values(r.Context(), r.URL.Query().Get("flag"))
	return values{append([]string{}, list...)}, err
}

func (s *Server) versionOf(*http.Request) (any, error) {
	return Version{s.version, api, os.Getpid()}, nil
}

// write sends an answer, or what an error says. All of it is made before the first byte goes out: nobody waits for the peer.
func (s *Server) write(w http.ResponseWriter, answer any, err error) {
	var b bytes.Buffer
	status := http.StatusOK
	if err == nil {
		err = encode(&b, answer)
	}
	if err != nil {
		refusal := errorOf(err)
		if refusal.Code == CodeInternal {
			s.log.Warn("a viewer got no answer", "error", err)
		}
		status = statuses[refusal.Code]
		b.Reset()
		_ = encode(&b, refusal) // two strings
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a peer that has gone needs no answer
}

func encode(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return errors.Join(errors.New("the answer cannot be written"), err)
	}
	return nil
}
