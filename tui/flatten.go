// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// column is a scalar somewhere in a row.
type column struct {
	name string // JSON names with points between them: "in.rate"
	path []int  // fields that lead there
}

// flatten makes a table of a slice of structs: the names of its scalars, and a line for each row. Lists of words become one cell
// with semicolons; lists of numbers and of structs, which have no place in a table, are left out.
func flatten(rows any) (head []string, lines iter.Seq[[]string]) {
	slice := reflect.ValueOf(rows)
	columns := columnsOf(slice.Type().Elem(), "", nil)
	for _, c := range columns {
		head = append(head, c.name)
	}
	return head, func(yield func([]string) bool) {
		line := make([]string, len(columns))
		for i := range slice.Len() {
			for j, c := range columns {
				line[j] = defused(cell(slice.Index(i), c.path))
			}
			if !yield(line) {
				return
			}
		}
	}
}

var timeType = reflect.TypeFor[time.Time]()

func columnsOf(t reflect.Type, prefix string, path []int) []column {
	var columns []column
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		at := append(slices.Clone(path), i)
		kind := field.Type
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		switch {
		case field.Anonymous:
			columns = append(columns, columnsOf(kind, prefix, at)...)
		case kind.Kind() == reflect.Struct && kind != timeType:
			columns = append(columns, columnsOf(kind, prefix+name+".", at)...)
		case kind.Kind() == reflect.Slice && kind.Elem().Kind() != reflect.String:
		default:
			columns = append(columns, column{prefix + name, at})
		}
	}
	return columns
}

// cell writes the value at path. What a pointer that is nil leads to is empty, as is the zero time.
func cell(v reflect.Value, path []int) string {
	for _, i := range path {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return ""
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	switch value := v.Interface().(type) {
	case time.Time:
		if value.IsZero() {
			return ""
		}
		return value.Format(timeFormat)
	case time.Duration:
		return strconv.FormatInt(int64(value), 10)
	case []string:
		return strings.Join(value, ";")
	case map[string]uint64:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(value)) {
			parts = append(parts, k+"="+strconv.FormatUint(value[k], 10))
		}
		return strings.Join(parts, ";")
	case float64:
		return strconv.FormatFloat(value, 'g', -1, 64)
	default:
		return fmt.Sprint(value)
	}
}

// defused keeps a spreadsheet from running text that came over a network as a formula.
func defused(s string) string {
	if s == "" || !strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return s
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return s
	}
	return "'" + s
}
