// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"fmt"
	"testing"
)

const benchQuery = `SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.state IN ('new', 'paid') AND o.created > '2024-01-01' AND c.country = 'DE' ORDER BY o.id LIMIT 50`

func BenchmarkRead(b *testing.B) {
	s, query := New(), []byte(benchQuery)
	b.SetBytes(int64(len(query)))
	b.ReportAllocs()
	for b.Loop() {
		s.Read(query, Source{Dialect: PostgreSQL})
	}
}

func BenchmarkReadTextNeverSeenBefore(b *testing.B) {
	s, n := New(), 0
	var query []byte
	b.ReportAllocs()
	for b.Loop() {
		n++
		query = fmt.Appendf(query[:0], "INSERT INTO t%d (a, b) VALUES (%d, 'x')", n, n)
		s.Read(query, Source{Dialect: MySQL})
	}
}

func TestReadAllocatesNothingForTextSeenBefore(t *testing.T) {
	s, query := New(), []byte(benchQuery)
	s.Read(query, Source{})
	if n := testing.AllocsPerRun(100, func() { s.Read(query, Source{}) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
