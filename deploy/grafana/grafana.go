// SPDX-License-Identifier: Apache-2.0

// Package grafana describes sonde's dashboards and writes them as the JSON files beside it.
//
// The files in dashboards/ are what users take; they are generated ("go generate ./deploy/grafana") so that six dashboards
// look alike, and so that a test can run every query of every panel against a real Prometheus. Nothing of sonde imports it.
package grafana

import (
	"bytes"
	"encoding/json"
	"fmt"
)

//go:generate go test -run ^TestDashboardsAreFresh$ -update

// Dashboard is one page.
type Dashboard struct {
	UID, Title, Description string
	Variables               []Variable
	Rows                    []Row
}

// Variable is a choice at the top of a dashboard, filled by a query for label values.
type Variable struct {
	Name, Label, Query string
	Multi              bool // several values or all of them
}

// Row is a heading and the panels below it. Panels share the width of 24 columns.
type Row struct {
	Title  string
	Height int // of its panels in grid units, 0 for the usual 8
	Panels []Panel
}

// Panel is one picture.
type Panel struct {
	Kind        Kind
	Title       string
	Description string
	Unit        string // Grafana's unit id
	Queries     []Query
	Exemplars   bool // ask for them: dots that lead to a trace
	Max         float64
}

// Kind is Grafana's panel type.
type Kind string

// The kinds that the dashboards use. Only those that every Grafana since 9 has.
const (
	Lines Kind = "timeseries"
	Stat  Kind = "stat"
	Table Kind = "table"
	Bars  Kind = "bargauge"
)

// Query is one PromQL expression. Quiet says that it has no data on a machine where all is well: nothing was lost, dropped or
// refused. All others must have data wherever sonde sees traffic.
type Query struct {
	Expr, Legend string
	Quiet        bool
}

const (
	columns     = 24
	usualHeight = 8
	schema      = 39 // of dashboards, Grafana 10.4
)

type object = map[string]any

// JSON returns the dashboard as Grafana reads it, the same bytes for the same dashboard.
func (d *Dashboard) JSON() ([]byte, error) {
	b := builder{}
	for i := range d.Rows {
		b.row(&d.Rows[i])
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	err := e.Encode(object{
		"uid": d.UID, "title": d.Title, "description": d.Description,
		"tags": []string{"sonde"}, "editable": true, "graphTooltip": 1, "schemaVersion": schema, "version": 1,
		"refresh": "30s", "time": object{"from": "now-1h", "to": "now"}, "timezone": "browser",
		"links": []object{{
			"type": "dashboards", "tags": []string{"sonde"}, "title": "sonde", "asDropdown": true,
			"includeVars": true, "keepTime": true,
		}},
		"templating": object{"list": d.variables()},
		"panels":     b.panels,
	})
	if err != nil {
		return nil, fmt.Errorf("write dashboard %s: %w", d.UID, err)
	}
	return out.Bytes(), nil
}

func (d *Dashboard) variables() []object {
	list := []object{{
		"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1,
	}}
	for _, v := range d.Variables {
		o := object{
			"name": v.Name, "label": v.Label, "type": "query", "refresh": 2, "sort": 1, "multi": v.Multi,
			"includeAll": v.Multi, "datasource": prometheus(),
			"query": object{"query": v.Query, "refId": "variable"}, "definition": v.Query,
		}
		if v.Multi {
			o["allValue"] = ".*"
			o["current"] = object{"selected": true, "text": "All", "value": "$__all"}
		}
		list = append(list, o)
	}
	return list
}

func prometheus() object { return object{"type": "prometheus", "uid": "${datasource}"} }

// builder places panels on the grid.
type builder struct {
	panels []object
	y      int
}

func (b *builder) row(r *Row) {
	b.add(object{"type": "row", "title": r.Title, "collapsed": false, "panels": []object{}}, 0, columns, 1)
	b.y++
	height := r.Height
	if height == 0 {
		height = usualHeight
	}
	width := columns / max(1, len(r.Panels))
	for i := range r.Panels {
		b.add(r.Panels[i].object(), i*width, width, height)
	}
	b.y += height
}

func (b *builder) add(o object, x, width, height int) {
	o["id"] = len(b.panels) + 1
	o["gridPos"] = object{"x": x, "y": b.y, "w": width, "h": height}
	b.panels = append(b.panels, o)
}

func (p *Panel) object() object {
	targets := make([]object, len(p.Queries))
	for i, q := range p.Queries {
		t := object{
			"refId": string(rune('A' + i)), "datasource": prometheus(), "expr": q.Expr, "legendFormat": q.Legend,
			"editorMode": "code", "range": p.Kind == Lines, "instant": p.Kind != Lines,
		}
		if p.Kind == Table {
			t["format"] = "table"
		}
		if p.Exemplars {
			t["exemplar"] = true
		}
		targets[i] = t
	}
	o := object{
		"type": string(p.Kind), "title": p.Title, "description": p.Description, "datasource": prometheus(),
		"targets": targets, "fieldConfig": object{"defaults": p.defaults(), "overrides": []object{}}, "options": p.options(),
	}
	if p.Kind == Table {
		o["transformations"] = []object{{"id": "organize", "options": object{"excludeByName": object{"Time": true}}}}
	}
	return o
}

func (p *Panel) defaults() object {
	d := object{"unit": p.Unit}
	if p.Max != 0 {
		d["min"], d["max"] = 0, p.Max
	}
	if p.Kind == Lines {
		d["custom"] = object{"lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": false}
		if p.Max == 0 {
			d["min"] = 0
		}
	}
	return d
}

func (p *Panel) options() object {
	reduce := object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false}
	switch p.Kind {
	case Lines:
		return object{
			"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true},
			"tooltip": object{"mode": "multi", "sort": "desc"},
		}
	case Table:
		return object{"showHeader": true, "sortBy": []object{{"displayName": "Value", "desc": true}}}
	case Bars:
		return object{"displayMode": "gradient", "orientation": "horizontal", "reduceOptions": reduce}
	}
	return object{"colorMode": "value", "graphMode": "area", "reduceOptions": reduce}
}
