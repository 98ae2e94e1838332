// SPDX-License-Identifier: Apache-2.0

package aggregate

import "sonde/agent/model"

// dbKey identifies a series of the metrics of databases.
type dbKey struct {
	service                                           string
	system, operation, collection, namespace, summary string
	address                                           string // client series only
	status, failure                                   string
	port                                              uint16 // client series only; 0 for the default of the system
}

// dbSeries are the values of the database metrics with equal labels.
type dbSeries struct {
	duration histogram
	rows     *sizes // nil before the first answer that tells
}

func (a *Aggregator) db(r *model.Request, o *observation) {
	d := r.DB
	k := dbKey{
		system: labelText(d.System), operation: labelText(d.Operation), collection: labelText(d.Collection), namespace: labelText(d.Namespace),
		summary: labelText(d.Summary), status: labelText(d.Status), failure: failureOf(r),
	}
	at := place(r, len(d.Summary)+len(d.Operation)<<4+len(d.Collection)<<8+len(d.Status)<<12)
	if r.Role == model.RoleServer {
		k.service = serviceOf(&r.Server)
		a.dbServers.recently(at, k, a.now).observe(o, a.dbLayout)
		a.countEdge(a.edge(r, databaseEdge, ""), r, o, k.failure != "")
		return
	}
	k.service = serviceOf(&r.Client)
	address, port := a.peerServer(r)
	k.address = address
	if port != dbPort(d.System) {
		k.port = port
	}
	s := a.dbClients.recently(at, k, a.now)
	s.duration.observe(o, a.dbLayout)
	if d.RowsKnown && !d.RowsAffected {
		if s.rows == nil {
			s.rows = &sizes{}
		}
		s.rows.observe(uint64(max(0, d.Rows)), a.rowLayout)
	}
	a.countEdge(a.edge(r, databaseEdge, address), r, o, k.failure != "")
}

// dbPort is the default port of a system, which the conventions leave out.
func dbPort(system string) uint16 {
	switch system {
	case "postgresql":
		return 5432
	case "mysql", "mariadb":
		return 3306
	case "redis":
		return 6379
	case "memcached":
		return 11211
	case "mongodb":
		return 27017
	}
	return 0
}

func describeDB(k dbKey) (dbKey, []model.Label) {
	own(&k.service, &k.system, &k.operation, &k.collection, &k.namespace, &k.summary, &k.address, &k.status, &k.failure)
	return k, labels(
		model.Label{Attr: model.AttrService, Value: k.service},
		model.Label{Attr: model.AttrDBSystem, Value: k.system},
		model.Label{Attr: model.AttrDBOperation, Value: k.operation},
		model.Label{Attr: model.AttrDBCollection, Value: k.collection},
		model.Label{Attr: model.AttrDBNamespace, Value: k.namespace},
		model.Label{Attr: model.AttrDBSummary, Value: k.summary},
		model.Label{Attr: model.AttrServerAddress, Value: k.address},
		model.Label{Attr: model.AttrServerPort, Value: number(k.port)},
		model.Label{Attr: model.AttrDBStatus, Value: k.status},
		model.Label{Attr: model.AttrErrorType, Value: k.failure},
	)
}
