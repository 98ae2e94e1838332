// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sonde/agent/view"
)

// maxQuery bounds the body of a request in bytes: a filter is a line.
const maxQuery = 64 << 10

func badQuery(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{view.ErrBadQuery}, args...)...)
}

// decodeQuery reads one JSON object. A field that does not exist is an error: an answer to half a question misleads.
func decodeQuery(body io.Reader) (view.Query, error) {
	var q view.Query
	text, err := io.ReadAll(io.LimitReader(body, maxQuery+1))
	switch {
	case err != nil:
		return q, badQuery("it did not arrive: %v", err)
	case len(text) > maxQuery:
		return q, badQuery("more than %d bytes", maxQuery)
	case len(bytes.TrimSpace(text)) == 0:
		return q, badQuery(`the body is empty: send {"page": "services"}`)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return q, badQuery("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return q, badQuery("there is something behind the query")
	}
	return bounded(q)
}

// bounded holds a query to what may be asked of another process; what it means is the World's to judge.
func bounded(q view.Query) (view.Query, error) {
	if view.SortKeys(q.Page) == nil {
		return q, badQuery("there is no page %q", q.Page)
	}
	q.Limit = min(q.Limit, view.MaxLimit)
	return q, nil
}

// parameters are the fields of a query as they are written in a URL.
var parameters = map[string]func(*view.Query, string) error{
	"page":    func(q *view.Query, v string) error { q.Page = view.Page(v); return nil },
	"filter":  func(q *view.Query, v string) error { q.Filter = v; return nil },
	"sort":    func(q *view.Query, v string) error { q.Sort = v; return nil },
	"window":  func(q *view.Query, v string) (err error) { q.Window, err = time.ParseDuration(v); return },
	"reverse": func(q *view.Query, v string) (err error) { q.Reverse, err = strconv.ParseBool(v); return },
	"offset":  func(q *view.Query, v string) (err error) { q.Offset, err = strconv.Atoi(v); return },
	"limit":   func(q *view.Query, v string) (err error) { q.Limit, err = strconv.Atoi(v); return },
	"frozen":  func(q *view.Query, v string) (err error) { q.Frozen, err = strconv.ParseUint(v, 10, 64); return },

	"service":  func(q *view.Query, v string) error { q.Within.Service = v; return nil },
	"route":    func(q *view.Query, v string) error { q.Within.Route = v; return nil },
	"client":   func(q *view.Query, v string) error { q.Within.Client = v; return nil },
	"server":   func(q *view.Query, v string) error { q.Within.Server = v; return nil },
	"protocol": func(q *view.Query, v string) error { q.Within.Protocol = v; return nil },
	"port": func(q *view.Query, v string) error {
		port, err := strconv.ParseUint(v, 10, 16)
		q.Within.Port = uint16(port)
		return err
	},
	"dns_name": func(q *view.Query, v string) error { q.Within.DNSName = v; return nil },
	"trace":    func(q *view.Query, v string) error { q.Within.Trace = v; return nil },
	"conn":     func(q *view.Query, v string) (err error) { q.Within.Conn, err = strconv.ParseUint(v, 10, 64); return },
	"request": func(q *view.Query, v string) (err error) {
		q.Within.Request, err = strconv.ParseUint(v, 10, 64)
		return
	},
	"pid": func(q *view.Query, v string) error {
		pid, err := strconv.ParseUint(v, 10, 32)
		q.Within.PID = uint32(pid)
		return err
	},
}

// parseQuery reads the query of a URL.
func parseQuery(raw string) (view.Query, error) {
	var q view.Query
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, badQuery("%v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		set := parameters[name]
		if set == nil {
			return q, badQuery("there is no parameter %q: choose from %s", name, strings.Join(slices.Sorted(maps.Keys(parameters)), ", "))
		}
		if len(values[name]) > 1 {
			return q, badQuery("%s is given %d times", name, len(values[name]))
		}
		if err := set(&q, values.Get(name)); err != nil {
			return q, badQuery("%s=%q: %v", name, values.Get(name), err)
		}
	}
	return bounded(q)
}
