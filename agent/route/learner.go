// SPDX-License-Identifier: Apache-2.0

// Package route learns templates of HTTP paths, "/users/{id}", from the paths that servers answered.
//
// Metrics and span names may show a template and never a path. There are two placeholders: {id} for a segment that names
// one of many by its looks (a number, a UUID, a hash, a date, a mail address, anything encoded), and {*} for a segment with
// too many values and for everything below the deepest level. What a server answered with 4xx teaches nothing, so that a
// scanner finds no way in; everything else is bounded, so that the worst it can do is to fold what is rare.
//
// It knows no routing tables of applications and no output format. The pipeline calls it for each request before the sinks.
package route

import (
	"errors"
	"strings"

	"sonde/agent/model"
)

// Config bounds a Learner.
type Config struct {
	// Services is the limit of services that routes are kept of; the one that was not used for longest makes room.
	Services int
	// Templates is the limit per service, of gRPC methods as well. Beyond it the widest branch of the tree is folded.
	Templates int
	// Children is the limit of values that one segment may have before the rare ones become {*}.
	Children int
}

// Default returns the limits in use: some 20 MB if every service of a node were attacked at once.
func Default() Config { return Config{Services: 64, Templates: 200, Children: 50} }

// Validate says in one sentence what cannot work.
func (c Config) Validate() error {
	if c.Services < 1 || c.Children < 1 {
		return errors.New("the limits of services and of children of the routes must be positive")
	}
	if c.Templates < 2*maxDepth {
		return errors.New("the limit of route templates is too low: a single path can need that many")
	}
	return nil
}

// Learner keeps the routes of all services. It is for one goroutine, and the order of requests decides what it learns: the
// same recording gives the same routes.
type Learner struct {
	cfg     Config
	servers services // by the service that was asked
	clients services // by the service that asks others, which are not observed
}

// New returns a Learner that knows nothing. c must be valid.
func New(c Config) *Learner {
	return &Learner{cfg: c, servers: newServices(), clients: newServices()}
}

// Annotate sets the Route of an HTTP request. Where the server is observed, both ends of a connection share what is known of
// its service.
func (l *Learner) Annotate(r *model.Request) {
	if r.HTTP == nil {
		return
	}
	known, service := &l.servers, ""
	switch {
	case r.Server.Process != nil:
		service = r.Server.Process.ServiceName
	case r.Role == model.RoleClient:
		known = &l.clients
		if r.Client.Process != nil {
			service = r.Client.Process.ServiceName
		}
	}
	r.HTTP.Route = known.find(service, l.cfg).route(r)
}

// Route returns the template of the path that r asks service for, "" when there is none. For gRPC it is the path itself, once
// the method proved to exist.
func (l *Learner) Route(service string, r *model.Request) string {
	return l.servers.find(service, l.cfg).route(r)
}

// services holds what is known of each.
type services struct {
	byName map[string]*service
	turn   uint64
}

func newServices() services { return services{byName: map[string]*service{}} }

type service struct {
	tree    tree
	methods map[string]string // of gRPC: paths by themselves
	used    uint64            // turn of the last request
}

func (s *services) find(name string, c Config) *service {
	s.turn++
	known := s.byName[name]
	if known == nil {
		if len(s.byName) >= c.Services {
			s.forget()
		}
		known = &service{tree: tree{maxTemplates: c.Templates, maxChildren: c.Children}, methods: map[string]string{}}
		s.byName[strings.Clone(name)] = known
	}
	known.used = s.turn
	return known
}

// forget removes the service that was not used for longest. No two were used in the same turn.
func (s *services) forget() {
	oldest, least := "", s.turn
	for name, k := range s.byName {
		if k.used < least {
			oldest, least = name, k.used
		}
	}
	delete(s.byName, oldest)
}

func (s *service) route(r *model.Request) string {
	if r.HTTP == nil {
		return ""
	}
	if r.RPC != nil {
		return s.method(r)
	}
	path := r.HTTP.Path
	if path == "" || path[0] != '/' || r.HTTP.Method == "CONNECT" { // asterisk and authority forms (RFC 9112 3.2)
		return ""
	}
	if route := s.tree.find(path); route != "" || !teaches(r) {
		return route
	}
	return s.tree.learn(path)
}

// teaches tells whether the answer proves that the server knows the path. Redirects do, as a login answers nothing else. A
// refusal does not, whatever the reason: scanners meet all of them.
func teaches(r *model.Request) bool {
	status := r.HTTP.Status
	return r.Outcome <= model.OutcomeError && (status == 101 || status >= 200 && status < 400 || status >= 500 && status < 600)
}

// method returns the path of a gRPC method that the service answered at least once.
func (s *service) method(r *model.Request) string {
	known := s.methods[r.HTTP.Path]
	c := r.RPC
	answered := c.Status >= 0 && !c.StatusInferred && c.Status != model.GRPCUnimplemented
	if known == "" && answered && len(s.methods) < s.tree.maxTemplates && plain(r.HTTP.Path) {
		known = strings.Clone(r.HTTP.Path)
		s.methods[known] = known
	}
	return known
}

// maxMethod bounds the path of a gRPC method. Names of protobuf have no limit.
const maxMethod = 255

// plain tells whether a path can be that of a method: "/package.Service/Method" in ASCII.
func plain(path string) bool {
	if len(path) > maxMethod || !strings.HasPrefix(path, "/") {
		return false
	}
	for i := range len(path) {
		if c := path[i]; class(c) == other && c != '/' && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
