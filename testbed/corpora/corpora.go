// SPDX-License-Identifier: Apache-2.0

// Package corpora holds what sonde says of captures by other projects against what those projects say of them.
//
// The captures are no part of this repository: $SONDE_CORPORA names the folder, "../shared/corpora" beside the repository is
// the default, and tests skip where it is absent. A corpus and protocol is one test file here: it runs captures through
// Requests or Read, reads the other opinion with ReadZeek or ReadDeepFlow, and tells the rate to Report. `make corpora` prints
// the rates as one table. It is used by nothing else.
package corpora

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"sonde/agent/conn"
	"sonde/agent/model"
	"sonde/agent/pipeline"
	"sonde/agent/source/pcap"
)

// Environment is the variable that names the folder of the corpora.
const Environment = "SONDE_CORPORA"

// Path returns the path of something below the folder of the corpora, and skips the test where that is absent.
func Path(t testing.TB, below ...string) string {
	t.Helper()
	root := os.Getenv(Environment)
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	path := filepath.Join(append([]string{root}, below...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no %s: set %s to the folder that holds the corpora", path, Environment)
	}
	return path
}

// Seen is everything that sonde says of a capture, in order. Nothing of it is shared with the pipeline.
type Seen struct {
	Requests []model.Request
	Flows    []model.Flow // the last report of each
	Tracker  conn.Stats
	File     pcap.Stats
}

// Requests runs a capture through the pipeline that `sonde observe --read` has, and returns copies of its requests.
func Requests(t testing.TB, path string) []model.Request {
	t.Helper()
	s, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return s.Requests
}

// Read does the same and returns everything. With an error, which names the file, comes what could be read.
func Read(path string) (*Seen, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := ReadFrom(file)
	if err != nil {
		err = fmt.Errorf("read %s: %w", path, err)
	}
	return s, errors.Join(err, file.Close())
}

// ReadFrom is Read for a capture that is no file.
func ReadFrom(from io.Reader) (*Seen, error) {
	s := &Seen{}
	source := pcap.New(pcap.Default(), from)
	nobody := func(uint32, time.Duration, string, uint64) *model.Process { return &model.Process{} }
	p := pipeline.New(conn.Capture(), nobody, func(uint32) string { return "" }, (*sink)(s))
	err := p.Run(context.Background(), source)
	s.Tracker, s.File = p.Stats(), source.Stats()
	return s, err
}

// sink keeps what the pipeline finds.
type sink Seen

func (s *sink) Request(r *model.Request) {
	s.Requests = append(s.Requests, clone(reflect.ValueOf(*r)).Interface().(model.Request))
}

func (s *sink) Flow(f *model.Flow, d model.FlowDelta) {
	if d.Final || f.Transport != "tcp" {
		s.keep(f)
	}
}

// keep replaces an earlier report of the same flow.
func (s *sink) keep(f *model.Flow) {
	for i := range s.Flows {
		if s.Flows[i].Conn == f.Conn {
			s.Flows[i] = *f
			return
		}
	}
	s.Flows = append(s.Flows, *f)
}

func (s *sink) Lost(*model.Loss) {}

// clone returns a deep copy: the memory that a request points to is its parser's, which uses it again.
func clone(v reflect.Value) reflect.Value {
	to := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.String:
		to.SetString(strings.Clone(v.String()))
		return to
	case reflect.Pointer:
		if !v.IsNil() {
			to.Set(reflect.New(v.Type().Elem()))
			to.Elem().Set(clone(v.Elem()))
		}
		return to
	case reflect.Slice:
		if !v.IsNil() {
			to.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			for i := range v.Len() {
				to.Index(i).Set(clone(v.Index(i)))
			}
		}
		return to
	}
	to.Set(v)
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				to.Field(i).Set(clone(v.Field(i)))
			}
		}
	}
	return to
}
