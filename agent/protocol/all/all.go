// SPDX-License-Identifier: Apache-2.0

// Package all is the list of the protocols that sonde understands. A new protocol is a folder beside it and a line here.
package all

import (
	"sonde/agent/protocol"
	"sonde/agent/protocol/amqp"
	"sonde/agent/protocol/dns"
	"sonde/agent/protocol/http1"
	"sonde/agent/protocol/http2"
	"sonde/agent/protocol/kafka"
	"sonde/agent/protocol/memcached"
	"sonde/agent/protocol/mongodb"
	"sonde/agent/protocol/mqtt"
	"sonde/agent/protocol/mysql"
	"sonde/agent/protocol/nats"
	"sonde/agent/protocol/postgresql"
	"sonde/agent/protocol/quic"
	"sonde/agent/protocol/redis"
	"sonde/agent/protocol/tls"
	"sonde/agent/protocol/websocket"
)

// Specs returns the protocols in the order in which they are asked about the first bytes of a connection: those with
// bytes that nothing else has come first.
func Specs() []protocol.Spec {
	return []protocol.Spec{
		amqp.Spec(),
		nats.Spec(),
		mysql.Spec(),
		http2.Spec(),
		postgresql.Spec(),
		http1.Spec(),
		tls.Spec(),
		kafka.Spec(),
		dns.TCP(),
		quic.Spec(),
		dns.UDP(),
		mongodb.Spec(),
		memcached.Spec(),
		redis.Spec(),
		mqtt.Spec(),
		websocket.Spec(),
	}
}
