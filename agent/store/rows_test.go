// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"

	"sonde/agent/view"
)

// shownRow is a row of a snapshot: what tells it apart, and what it counts.
type shownRow struct {
	name  string
	count uint64
}

func rowsOf(s *view.Snapshot) []shownRow {
	var all []shownRow
	add := func(count uint64, name ...any) { all = append(all, shownRow{fmt.Sprint(name...), count}) }
	for _, r := range s.Services {
		add(r.In.Count, r.Name)
	}
	for _, r := range s.Routes {
		add(r.RED.Count, r.Service, " ", r.Operation, " ", r.Protocol)
	}
	for _, r := range s.Requests {
		add(1, r.ID)
	}
	for _, r := range s.Flows {
		add(uint64(r.Open), r.Client, " ", r.Server, " ", r.Port, " ", r.Transport, " ", r.View, " ", r.Interface)
	}
	for _, r := range s.Conns {
		add(1, r.ID)
	}
	for _, r := range s.Edges {
		add(r.RED.Count, r.Client, " ", r.Server, " ", r.Protocol)
	}
	for _, r := range s.Processes {
		add(r.In.Count, r.PID, " ", r.Name, " ", r.Service)
	}
	for _, r := range s.DNS {
		add(r.RED.Count, r.Name)
	}
	return all
}
