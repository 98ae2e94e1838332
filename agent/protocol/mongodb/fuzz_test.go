// SPDX-License-Identifier: Apache-2.0

package mongodb

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sonde/agent/model"
	"sonde/testbed/begins"
)

// talk makes a conversation whose answers tell by their size which command they belong to, and cuts it into pieces. One in
// drop is lost, none when it is 0.
func talk(seed uint64, drop int) (steps, pieces []step, want map[string]uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	want = map[string]uint64{}
	for id := uint32(1); id < 12; id++ {
		name := fmt.Sprintf("c%d", id)
		command := doc{"find", name, "filter", doc{"x", strings.Repeat("x", random.IntN(200))}, "$db", "shop"}
		answer := msg(id+100, id, 0, doc{"pad", strings.Repeat("p", int(id)), "ok", 1.0})
		want[name] = uint64(len(answer))
		steps = append(steps, req(msg(id, 0, 0, command)), resp(answer))
	}
	for _, s := range steps {
		for p := s.data; len(p) > 0; {
			n := 1 + random.IntN(len(p))
			piece := step{server: s.server, data: p[:n]}
			if drop > 0 && random.IntN(drop) == 0 {
				piece = step{server: s.server, skip: uint64(n)}
			}
			pieces = append(pieces, piece)
			p = p[n:]
		}
	}
	return steps, pieces, want
}

func TestCutsChangeNothing(t *testing.T) {
	for seed := range uint64(300) {
		steps, pieces, want := talk(seed, 0)
		whole, cut := observe().run(steps...).close(), observe().run(pieces...).close()
		if whole.lines() != cut.lines() || !slices.Equal(begins.Positions(whole.all), begins.Positions(cut.all)) || len(whole.all) != len(want) {
			t.Fatalf("in pieces\n%s\nwhole\n%s", cut.lines(), whole.lines())
		}
	}
}

func checkLoss(t *testing.T, seed uint64) {
	steps, pieces, want := talk(seed, 8)
	o := observe().run(pieces...).close()
	begins.Known(t, observe().run(steps...).close().all, o.all, func(r *model.Request) string { return r.DB.Collection })
	for _, r := range o.all {
		if r.Outcome == model.OutcomeOK && want[r.DB.Collection] != r.ResponseBytes && r.DB.Collection != "" {
			t.Fatalf("seed %d: %s has an answer of %d bytes, want %d\n%s", seed, r.DB.Collection, r.ResponseBytes, want[r.DB.Collection], o.lines())
		}
	}
}

func TestLossNeverMakesWrongRequests(t *testing.T) {
	for seed := range uint64(3000) {
		checkLoss(t, seed)
	}
}

func FuzzLoss(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(checkLoss)
}

// FuzzAny feeds anything: nothing may break, and cuts change nothing.
func FuzzAny(f *testing.F) {
	f.Add([]byte(msg(1, 0, 0, find)+compressed(2, 0, compressorSnappy, find)), []byte(msg(9, 1, 0, found)+compressed(9, 2, compressorZstd, found)), uint16(100))
	f.Add([]byte(compressed(1, 0, compressorZlib, find)), []byte(msg(9, 1, 0, doc{"ok", 0.0, "code", 3, "writeErrors", list{doc{"code", 4}}})), uint16(30))
	f.Fuzz(func(t *testing.T, client, server []byte, cut uint16) {
		n := min(int(cut), len(client))
		whole := observe().run(req(string(client)), resp(string(server))).close()
		pieces := observe().run(req(string(client[:n])), req(string(client[n:]))).run(resp(string(server))).close()
		observe().run(req(string(client[:n])), reqSkip(uint64(cut)+1), req(string(client[n:])), resp(string(server)), respSkip(7), req(string(client))).close()
		if n > 0 && n < len(client) && len(server) > 0 && whole.lines() != pieces.lines() {
			t.Fatalf("in pieces\n%s\nwhole\n%s", pieces.lines(), whole.lines())
		}
		for _, r := range whole.all {
			if r.End < r.Start || len(r.DB.Operation) > maxName || r.Protocol != model.ProtocolMongoDB {
				t.Fatal(show(&r))
			}
		}
	})
}
