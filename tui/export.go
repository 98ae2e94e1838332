// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sonde/agent/view"
	"sonde/tui/render"
)

// choiceKey answers the question for the format of an export.
func (m *model) choiceKey(name string) {
	formats := map[string]format{"j": formatJSON, "c": formatCSV}
	switch f, ok := formats[name]; {
	case ok:
		m.choosing = false
		m.export(f)
	case name == "Esc" || name == "q" || name == "e":
		m.choosing = false
	}
}

// format is what a file is written as.
type format struct {
	extension string
	write     func(w io.Writer, rows any) error
}

var (
	formatJSON = format{"json", writeJSON}
	formatCSV  = format{"csv", writeCSV}
)

// export asks for all rows of the page and writes them to a file of their own.
func (m *model) export(f format) {
	q := m.query()
	q.Limit, q.Offset = view.MaxLimit, 0
	folder, now := m.exportTo, m.now()
	m.say(render.Dim, "writing %s ...", q.Page)
	m.later(queueExport, func(ctx context.Context, w view.World) func(*model) {
		s, err := w.Snapshot(ctx, q)
		if err != nil {
			return func(m *model) { m.say(render.Bad, "nothing was exported: %v", err) }
		}
		path, err := writeFile(folder, fmt.Sprintf("sonde-%s-%s", q.Page, now.Format("20060102-150405")), f, rowsOf(s))
		return func(m *model) {
			switch n := shown(s); {
			case err != nil:
				m.say(render.Bad, "nothing was exported: %v", err)
			case s.Rows > n:
				m.say(render.Warn, "%d of %d rows are in %s", n, s.Rows, path)
			default:
				m.say(render.Good, "%d rows are in %s", n, path)
			}
		}
	})
}

// rowsOf is the slice of rows that s holds.
func rowsOf(s *view.Snapshot) any {
	switch s.Page {
	case view.PageServices:
		return orEmpty(s.Services)
	case view.PageRoutes:
		return orEmpty(s.Routes)
	case view.PageRequests, view.PageTrace:
		return orEmpty(s.Requests)
	case view.PageFlows:
		return orEmpty(s.Flows)
	case view.PageConns:
		return orEmpty(s.Conns)
	case view.PageMap:
		return orEmpty(s.Edges)
	case view.PageProcesses:
		return orEmpty(s.Processes)
	case view.PageDNS:
		return orEmpty(s.DNS)
	case view.PageAgent:
		return one(s.Agent)
	default:
		return one(s.Request)
	}
}

func orEmpty[T any](rows []T) []T {
	if rows == nil {
		return []T{}
	}
	return rows
}

func one[T any](row *T) []T {
	if row == nil {
		return []T{}
	}
	return []T{*row}
}

// shown is how many rows s holds.
func shown(s *view.Snapshot) int {
	return len(s.Services) + len(s.Routes) + len(s.Requests) + len(s.Flows) + len(s.Conns) + len(s.Edges) + len(s.Processes) + len(s.DNS) +
		len(one(s.Agent)) + len(one(s.Request))
}

// writeFile writes rows to a new file and returns its path. It is there in whole or not at all.
func writeFile(folder, name string, f format, rows any) (path string, err error) {
	temporary, err := os.CreateTemp(folder, "."+name+"-*") // mode 0600
	if err != nil {
		return "", reason(folder, err)
	}
	defer func() {
		if err != nil {
			_ = temporary.Close()
			_ = os.Remove(temporary.Name())
			err = reason(folder, err)
		}
	}()
	buffered := bufio.NewWriter(temporary)
	if err := f.write(buffered, rows); err != nil {
		return "", err
	}
	if err := errors.Join(buffered.Flush(), temporary.Sync(), temporary.Close()); err != nil {
		return "", err
	}
	return publish(temporary.Name(), filepath.Join(folder, name), f.extension)
}

// publish gives a written file its name. It never takes the place of another file.
func publish(temporary, path, extension string) (string, error) {
	for n := 1; n < 100; n++ {
		target := path + "." + extension
		if n > 1 {
			target = fmt.Sprintf("%s-%d.%s", path, n, extension)
		}
		switch err := os.Link(temporary, target); {
		case err == nil:
			return target, os.Remove(temporary)
		case errors.Is(err, fs.ErrExist):
			continue
		}
		if _, err := os.Lstat(target); err == nil {
			continue
		}
		return target, os.Rename(temporary, target) // a file system without links
	}
	return "", fmt.Errorf("%s: a hundred files of this second are there", path)
}

// reason keeps of an error what a user can do something about.
func reason(folder string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return fmt.Errorf("cannot write to %s: %w", folder, at.Err)
	}
	return fmt.Errorf("cannot write to %s: %w", folder, err)
}

func writeJSON(w io.Writer, rows any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(rows)
}

func writeCSV(w io.Writer, rows any) error {
	table := csv.NewWriter(w)
	head, lines := flatten(rows)
	if err := table.Write(head); err != nil {
		return err
	}
	for line := range lines {
		if err := table.Write(line); err != nil {
			return err
		}
	}
	table.Flush()
	return table.Error()
}

// timeFormat is that of encoding/json.
const timeFormat = time.RFC3339Nano
