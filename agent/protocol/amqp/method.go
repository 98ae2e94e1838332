// SPDX-License-Identifier: Apache-2.0

package amqp

// id is a class and a method, as a frame holds them: class<<16 | method.
type id uint32

// The methods that mean more than a question and its answer (AMQP 0-9-1, 1.4 to 1.10).
const (
	connectionStart   id = 10<<16 | 10
	connectionStartOK id = 10<<16 | 11
	connectionClose   id = 10<<16 | 50
	channelOpen       id = 20<<16 | 10
	channelClose      id = 20<<16 | 40
	channelCloseOK    id = 20<<16 | 41
	exchangeDeclare   id = 40<<16 | 10
	exchangeDelete    id = 40<<16 | 20
	exchangeBind      id = 40<<16 | 30
	exchangeUnbind    id = 40<<16 | 40
	queueDeclare      id = 50<<16 | 10
	queueDeclareOK    id = 50<<16 | 11
	queueBind         id = 50<<16 | 20
	queuePurge        id = 50<<16 | 30
	queueDelete       id = 50<<16 | 40
	queueUnbind       id = 50<<16 | 50
	basicConsume      id = 60<<16 | 20
	basicConsumeOK    id = 60<<16 | 21
	basicCancel       id = 60<<16 | 30
	basicPublish      id = 60<<16 | 40
	basicReturn       id = 60<<16 | 50
	basicDeliver      id = 60<<16 | 60
	basicGet          id = 60<<16 | 70
	basicGetOK        id = 60<<16 | 71
	basicGetEmpty     id = 60<<16 | 72
	basicAck          id = 60<<16 | 80
	basicReject       id = 60<<16 | 90
	basicNack         id = 60<<16 | 120
	confirmSelect     id = 85<<16 | 10
)

// sides says who may send a method.
type sides uint8

const (
	byClient sides = 1 << iota
	byServer
	byBoth = byClient | byServer
)

// method is what is known of one.
type method struct {
	name   string
	sender sides
	asks   bool // an answer is due
	of     id   // the question that it answers, 0 for none

	// args are the types of the arguments: "s" for a short string that names something, "t" for one that is no business of a
	// recording, "L" for a long string or a table, and the number of bytes of a plain value.
	args string
}

// methods of AMQP 0-9-1 and of RabbitMQ's extensions. Immutable.
var methods = map[id]method{
	connectionStart:   {name: "connection.start", sender: byServer, args: "11LLL", asks: true},
	connectionStartOK: {name: "connection.start-ok", sender: byClient, args: "LsLs", of: connectionStart},
	10<<16 | 20:       {name: "connection.secure", sender: byServer, args: "L", asks: true},
	10<<16 | 21:       {name: "connection.secure-ok", sender: byClient, args: "L", of: 10<<16 | 20},
	10<<16 | 30:       {name: "connection.tune", sender: byServer, args: "242", asks: true},
	10<<16 | 31:       {name: "connection.tune-ok", sender: byClient, args: "242", of: 10<<16 | 30},
	10<<16 | 40:       {name: "connection.open", sender: byClient, args: "st1", asks: true},
	10<<16 | 41:       {name: "connection.open-ok", sender: byServer, args: "t", of: 10<<16 | 40},
	connectionClose:   {name: "connection.close", sender: byBoth, args: "2t22", asks: true},
	10<<16 | 51:       {name: "connection.close-ok", sender: byBoth, of: connectionClose},
	10<<16 | 60:       {name: "connection.blocked", sender: byServer, args: "t"},
	10<<16 | 61:       {name: "connection.unblocked", sender: byServer},
	10<<16 | 70:       {name: "connection.update-secret", sender: byClient, args: "Lt", asks: true},
	10<<16 | 71:       {name: "connection.update-secret-ok", sender: byServer, of: 10<<16 | 70},
	channelOpen:       {name: "channel.open", sender: byClient, args: "t", asks: true},
	20<<16 | 11:       {name: "channel.open-ok", sender: byServer, args: "L", of: channelOpen},
	20<<16 | 20:       {name: "channel.flow", sender: byBoth, args: "1", asks: true},
	20<<16 | 21:       {name: "channel.flow-ok", sender: byBoth, args: "1", of: 20<<16 | 20},
	channelClose:      {name: "channel.close", sender: byBoth, args: "2t22", asks: true},
	channelCloseOK:    {name: "channel.close-ok", sender: byBoth, of: channelClose},
	30<<16 | 10:       {name: "access.request", sender: byClient, args: "s1", asks: true},
	30<<16 | 11:       {name: "access.request-ok", sender: byServer, args: "2", of: 30<<16 | 10},
	exchangeDeclare:   {name: "exchange.declare", sender: byClient, args: "2ss1L", asks: true},
	40<<16 | 11:       {name: "exchange.declare-ok", sender: byServer, of: exchangeDeclare},
	exchangeDelete:    {name: "exchange.delete", sender: byClient, args: "2s1", asks: true},
	40<<16 | 21:       {name: "exchange.delete-ok", sender: byServer, of: exchangeDelete},
	exchangeBind:      {name: "exchange.bind", sender: byClient, args: "2sss1L", asks: true},
	40<<16 | 31:       {name: "exchange.bind-ok", sender: byServer, of: exchangeBind},
	exchangeUnbind:    {name: "exchange.unbind", sender: byClient, args: "2sss1L", asks: true},
	40<<16 | 51:       {name: "exchange.unbind-ok", sender: byServer, of: exchangeUnbind},
	queueDeclare:      {name: "queue.declare", sender: byClient, args: "2s1L", asks: true},
	queueDeclareOK:    {name: "queue.declare-ok", sender: byServer, args: "s44", of: queueDeclare},
	queueBind:         {name: "queue.bind", sender: byClient, args: "2sss1L", asks: true},
	50<<16 | 21:       {name: "queue.bind-ok", sender: byServer, of: queueBind},
	queuePurge:        {name: "queue.purge", sender: byClient, args: "2s1", asks: true},
	50<<16 | 31:       {name: "queue.purge-ok", sender: byServer, args: "4", of: queuePurge},
	queueDelete:       {name: "queue.delete", sender: byClient, args: "2s1", asks: true},
	50<<16 | 41:       {name: "queue.delete-ok", sender: byServer, args: "4", of: queueDelete},
	queueUnbind:       {name: "queue.unbind", sender: byClient, args: "2sssL", asks: true},
	50<<16 | 51:       {name: "queue.unbind-ok", sender: byServer, of: queueUnbind},
	60<<16 | 10:       {name: "basic.qos", sender: byClient, args: "421", asks: true},
	60<<16 | 11:       {name: "basic.qos-ok", sender: byServer, of: 60<<16 | 10},
	basicConsume:      {name: "basic.consume", sender: byClient, args: "2ss1L", asks: true},
	basicConsumeOK:    {name: "basic.consume-ok", sender: byServer, args: "s", of: basicConsume},
	basicCancel:       {name: "basic.cancel", sender: byBoth, args: "s1", asks: true},
	60<<16 | 31:       {name: "basic.cancel-ok", sender: byBoth, args: "s", of: basicCancel},
	basicPublish:      {name: "basic.publish", sender: byClient, args: "2ss1"},
	basicReturn:       {name: "basic.return", sender: byServer, args: "2tss"},
	basicDeliver:      {name: "basic.deliver", sender: byServer, args: "s81ss"},
	basicGet:          {name: "basic.get", sender: byClient, args: "2s1", asks: true},
	basicGetOK:        {name: "basic.get-ok", sender: byServer, args: "81ss4", of: basicGet},
	basicGetEmpty:     {name: "basic.get-empty", sender: byServer, args: "t", of: basicGet},
	basicAck:          {name: "basic.ack", sender: byBoth, args: "81"},
	basicReject:       {name: "basic.reject", sender: byClient, args: "81"},
	60<<16 | 100:      {name: "basic.recover-async", sender: byClient, args: "1"},
	60<<16 | 110:      {name: "basic.recover", sender: byClient, args: "1", asks: true},
	60<<16 | 111:      {name: "basic.recover-ok", sender: byServer, of: 60<<16 | 110},
	basicNack:         {name: "basic.nack", sender: byBoth, args: "81"},
	confirmSelect:     {name: "confirm.select", sender: byClient, args: "1", asks: true},
	85<<16 | 11:       {name: "confirm.select-ok", sender: byServer, of: confirmSelect},
	90<<16 | 10:       {name: "tx.select", sender: byClient, asks: true},
	90<<16 | 11:       {name: "tx.select-ok", sender: byServer, of: 90<<16 | 10},
	90<<16 | 20:       {name: "tx.commit", sender: byClient, asks: true},
	90<<16 | 21:       {name: "tx.commit-ok", sender: byServer, of: 90<<16 | 20},
	90<<16 | 30:       {name: "tx.rollback", sender: byClient, asks: true},
	90<<16 | 31:       {name: "tx.rollback-ok", sender: byServer, of: 90<<16 | 30},
}

// operationOf returns the messaging operation of a method and its type; both are "" for what moves no message.
func operationOf(m id) (name, kind string) {
	switch m {
	case basicPublish:
		return "publish", "send"
	case basicDeliver, basicGet:
		return "receive", "receive"
	case basicAck:
		return "ack", "settle"
	case basicNack:
		return "nack", "settle"
	case basicReject:
		return "reject", "settle"
	}
	return "", ""
}

// replies are the names of reply codes that end in an error (AMQP 0-9-1, 1.2).
var replies = map[uint16]string{
	311: "CONTENT_TOO_LARGE", 312: "NO_ROUTE", 313: "NO_CONSUMERS", 320: "CONNECTION_FORCED", 402: "INVALID_PATH",
	403: "ACCESS_REFUSED", 404: "NOT_FOUND", 405: "RESOURCE_LOCKED", 406: "PRECONDITION_FAILED", 501: "FRAME_ERROR",
	502: "SYNTAX_ERROR", 503: "COMMAND_INVALID", 504: "CHANNEL_ERROR", 505: "UNEXPECTED_FRAME", 506: "RESOURCE_ERROR",
	530: "NOT_ALLOWED", 540: "NOT_IMPLEMENTED", 541: "INTERNAL_ERROR",
}
