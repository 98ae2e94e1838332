// SPDX-License-Identifier: Apache-2.0

package route

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"sonde/agent/model"
)

func get(path string, status int) *model.Request {
	return &model.Request{
		Role: model.RoleServer, Server: model.Endpoint{Process: &model.Process{ServiceName: "shop"}},
		HTTP: &model.HTTP{Method: "GET", Path: path, Status: status},
	}
}

func TestSegmentsThatNameOneOfMany(t *testing.T) {
	tests := map[string][]string{
		"{id}": {
			"1", "42", "20240102", "2024-01-02", "3fa85f64-5717-4562-b3fc-2c963f66afa6", "9f86d08", "d41d8cd98f00b204e9800998ecf8427e",
			"deadbeefdeadbeef", "user1234", "ORD-1001", "page-2", "a@example.com", "hello%20world", "dQw4w9WgXcQ", "01ARZ3NDEKTSV4RRFFQ69G5FAV",
			"V1StGXR8_Z5jdHi6B-myT", "Zm9vYmFyCg==", "main.8f3a2b1c.js", "10.1.2.3", "größe", "\xff", "a\x00b", "{id}", "{*}",
			"65a1b2c3d4e5f60718293a4b", "this-is-a-very-long-title-of-an-article-in-a-blog",
		},
		"": {
			"users", "v1", "v2beta1", "v1.2", "oauth2", "k8s", "i18n", "e2e", "index.html", "robots.txt", ".well-known", "users:batchGet",
			"getUserByIdentifier", "facade", "cafe", "$metadata", "api", "new", "terms-and-conditions", "health_check", "a", "V2",
		},
	}
	for want, segments := range tests {
		for _, s := range segments {
			if got := isID(s); got != (want != "") {
				t.Errorf("%q: id %v", s, got)
			}
		}
	}
}

func TestRoutesAreLearntFromAnswers(t *testing.T) {
	tests := []struct {
		path   string
		status int
		want   string
	}{
		{"/", 200, "/"},
		{"/users/42", 404, ""}, // nothing is known yet
		{"/users/42", 200, "/users/{id}"},
		{"/users/43", 404, "/users/{id}"}, // the route is known, the user is not
		{"/users/43/orders/7f9c2ba4", 201, "/users/{id}/orders/{id}"},
		{"/users", 404, ""}, // on the way to a template, but none itself
		{"/users/", 200, "/users"},
		{"//users", 200, "/users"},
		{"/users;jsessionid=1F", 200, "/users"},
		{"/.env", 404, ""},
		{"/wp-login.php", 403, ""},
		{"/login", 302, "/login"},
		{"/login", 401, "/login"},
		{"/broken", 500, "/broken"},
		{"/ws", 101, "/ws"},
		{"/slow", 0, ""},                              // no answer was seen
		{"/a/;x/;x/;x/;x/;x/;x/;x/;x/b", 200, "/a/b"}, // empty segments are no levels
		{"/a/;x/;x/;x/;x/;x/;x/;x/;x/b", 404, "/a/b"},
		{"*", 200, ""},
		{"", 200, ""},
		{"/a/b/c/d/e/f/g/h", 200, "/a/b/c/d/e/f/g/h"},
		{"/a/b/c/d/e/f/g/h/i", 404, ""},
		{"/a/b/c/d/e/f/g/h/i", 200, "/a/b/c/d/e/f/g/h/{*}"},
		{"/a/b/c/d/e/f/g/h/j/k/", 200, "/a/b/c/d/e/f/g/h/{*}"},
	}
	l := New(Default())
	for _, tt := range tests {
		r := get(tt.path, tt.status)
		r.HTTP.Route = "stale"
		if l.Annotate(r); r.HTTP.Route != tt.want {
			t.Errorf("%s answered with %d: got %q, want %q", tt.path, tt.status, r.HTTP.Route, tt.want)
		}
	}
}

func TestIncompleteExchangeTeachesNothing(t *testing.T) {
	l := New(Default())
	r := get("/users", 200)
	r.Outcome = model.OutcomeIncomplete
	if got := l.Route("shop", r); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestBothEndsOfAnObservedServiceShareRoutes(t *testing.T) {
	l := New(Default())
	r := get("/carts/1", 200)
	l.Annotate(r)
	r = get("/carts/2", 404)
	r.Role = model.RoleClient
	if l.Annotate(r); r.HTTP.Route != "/carts/{id}" {
		t.Errorf("at the client: %q", r.HTTP.Route)
	}
	r.Server.Process, r.Client.Process = nil, &model.Process{ServiceName: "shop"}
	if l.Annotate(r); r.HTTP.Route != "" {
		t.Errorf("the routes of what a service asks for are not those that it serves: %q", r.HTTP.Route)
	}
}

func TestRareValuesFoldAndWordsOfTheAPIStay(t *testing.T) {
	l := New(Default())
	word := func(i int) string { return string([]byte{'a' + byte(i/26%26), 'a' + byte(i%26), 'x'}) }
	for i := range 500 {
		l.Annotate(get("/search", 200))
		l.Annotate(get("/"+word(i)+"/repositories", 200))
	}
	for path, want := range map[string]string{
		"/search": "/search", "/zzz/repositories": "/{*}/repositories", "/aax/repositories": "/{*}/repositories", "/77/repositories": "/{*}/repositories",
	} {
		r := get(path, 404)
		if l.Annotate(r); r.HTTP.Route != want {
			t.Errorf("%s: got %q, want %q", path, r.HTTP.Route, want)
		}
	}
}

func TestMethodsOfGRPCMustProveThatTheyExist(t *testing.T) {
	l := New(Default())
	call := func(path string, status int, inferred bool) string {
		r := get(path, 200)
		r.RPC = &model.RPC{Method: path[1:], Status: status, StatusInferred: inferred}
		l.Annotate(r)
		return r.HTTP.Route
	}
	const known = "/shop.Cart/Add1234567"
	for _, tt := range []struct {
		path     string
		status   int
		inferred bool
		want     string
	}{
		{known, model.GRPCUnimplemented, false, ""},
		{known, 14, true, ""},
		{known, -1, false, ""},
		{known, 5, false, known}, // NOT_FOUND: the method answered
		{known, 14, true, known},
		{"/shop.Cart/\xff", 0, false, ""},
	} {
		if got := call(tt.path, tt.status, tt.inferred); got != tt.want {
			t.Errorf("%q with status %d: got %q, want %q", tt.path, tt.status, got, tt.want)
		}
	}
	for i := range 1000 {
		call("/made.Up/M"+strconv.Itoa(i), 0, false)
	}
	if n := len(l.servers.byName["shop"].methods); n != Default().Templates {
		t.Errorf("%d methods, the limit is %d", n, Default().Templates)
	}
}

func TestMillionPathsAreBounded(t *testing.T) {
	letters := func(i int) string {
		b := []byte("aaaaaaaa")
		for j := len(b) - 1; i > 0; j-- {
			b[j] += byte(i % 26)
			i /= 26
		}
		return string(b)
	}
	shapes := []func(int) string{
		func(i int) string { return "/" + letters(i) },
		func(i int) string { return "/u/" + letters(i) + "/p/" + letters(i*7) },
		func(i int) string { return "/" + letters(i%40) + "/" + letters(i/40%40) + "/" + letters(i/1600) },
		func(i int) string { return strings.Repeat("/"+letters(i), 20) },
		func(i int) string { return "/f/" + strconv.Itoa(i) },
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	l := New(Default())
	routes := map[string]bool{}
	r := get("", 200)
	for i := range 1_000_000 {
		r.HTTP.Path = shapes[i%len(shapes)](i)
		l.Annotate(r)
		if r.HTTP.Route == "" {
			t.Fatalf("%s has no route", r.HTTP.Path)
		}
		routes[r.HTTP.Route] = true
	}
	tree := &l.servers.byName["shop"].tree
	ends := 0
	var count func(*node)
	count = func(n *node) {
		if n.route != "" {
			ends++
		}
		n.each(count)
	}
	count(&tree.root)
	if tree.templates > Default().Templates || ends != tree.templates {
		t.Errorf("%d templates, counted as %d, the limit is %d", ends, tree.templates, Default().Templates)
	}
	if len(routes) > 5*Default().Templates {
		t.Errorf("%d routes were given out", len(routes))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("%d bytes held", grown)
	} else {
		t.Logf("%d routes given out, %d bytes held", len(routes), grown)
	}
	runtime.KeepAlive(l)
}

func TestTooManyTemplatesFoldTheWidestBranch(t *testing.T) {
	c := Default()
	c.Templates = 20
	l := New(c)
	learn := func(path string) string {
		r := get(path, 200)
		l.Annotate(r)
		if n := l.servers.byName["shop"].tree.templates; n > c.Templates {
			t.Fatalf("%d templates, the limit is %d", n, c.Templates)
		}
		return r.HTTP.Route
	}
	for letter := 'a'; letter <= 'z'; letter++ {
		learn("/wide/" + string(letter))
		if letter < 'f' {
			learn("/narrow/" + string(letter))
		}
	}
	for path, want := range map[string]string{"/wide/y": "/wide/{*}", "/narrow/a": "/narrow/a"} {
		if got := learn(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestServicesMakeRoomForEachOther(t *testing.T) {
	c := Default()
	c.Services = 3
	l := New(c)
	for i := range 10 {
		l.Route("always", get("/a", 200))
		l.Route("service-"+strconv.Itoa(i), get("/b", 200))
		if l.Route("always", get("/a", 404)) != "/a" {
			t.Fatal("a service in use was forgotten")
		}
	}
	if len(l.servers.byName) != 3 || l.Route("always", get("/a", 404)) != "/a" || l.Route("service-9", get("/b", 404)) != "/b" {
		t.Errorf("%d services; the ones in use must stay", len(l.servers.byName))
	}
}

func TestSameOrderGivesTheSameRoutes(t *testing.T) {
	run := func() string {
		c := Default()
		c.Templates, c.Children = 20, 5
		l := New(c)
		var out strings.Builder
		for i := range 5000 {
			r := get(fmt.Sprintf("/%c/%c%c/%c", 'a'+i*7%9, 'a'+i%26, 'b'+i/26%20, 'a'+i*i%23), 200)
			l.Annotate(r)
			out.WriteString(r.HTTP.Route + "\n")
		}
		return out.String()
	}
	if first := run(); first != run() {
		t.Error("two runs differ")
	}
}

func TestKnownRouteCostsNoAllocation(t *testing.T) {
	l := New(Default())
	known, refused, call := get("/api/v1/users/42/orders", 200), get("/nowhere/x", 404), get("/shop.Cart/Add", 200)
	call.RPC = &model.RPC{}
	once := func() {
		l.Annotate(known)
		l.Annotate(refused)
		l.Annotate(call)
	}
	once()
	if n := testing.AllocsPerRun(100, once); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestConfigIsRefused(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []Config{{}, {Services: 1, Children: 1, Templates: 15}, {Services: 0, Children: 1, Templates: 200}} {
		if c.Validate() == nil {
			t.Errorf("%+v: accepted", c)
		}
	}
}

// Whatever a path holds, its route is short, valid UTF-8 and itself a known path of the same route.
func FuzzRoute(f *testing.F) {
	f.Add("/users/42", "/users/{id}", 200)
	f.Add("/a;b=c/d//", "/\xff/x", 302)
	f.Add("///", ";/;", 500)
	f.Fuzz(func(t *testing.T, first, second string, status int) {
		c := Default()
		c.Templates, c.Children = 2*maxDepth, 1
		l := New(c)
		for _, path := range []string{first, second, first} {
			r := get(path, status)
			l.Annotate(r)
			route := r.HTTP.Route
			if len(route) > (maxDepth+1)*(maxLiteral+1) || !utf8.ValidString(route) {
				t.Fatalf("%q: %q", path, route)
			}
			if again := l.Route("shop", get(path, 404)); again != route {
				t.Fatalf("%q: first %q, then %q", path, route, again)
			}
		}
	})
}

func BenchmarkRoute(b *testing.B) {
	l := New(Default())
	requests := []*model.Request{get("/api/v1/users/42/orders", 200), get("/checkout", 200), get("/assets/app.3f2a1b9c.js", 200)}
	for _, r := range requests {
		l.Annotate(r)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		l.Annotate(requests[i])
		if i++; i == len(requests) {
			i = 0
		}
	}
}
