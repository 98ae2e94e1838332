// SPDX-License-Identifier: Apache-2.0

package semconv

import (
	"strconv"
	"time"

	"sonde/agent/model"
)

func (w *Walker) rpc(r *model.Request) {
	d := r.RPC
	w.v.String(KeyRPCSystem, "grpc")
	w.rpcMethod(d)
	if name := RPCStatus(d.Status); name != "" {
		w.v.String(KeyRPCStatus, name)
	}
	w.flag(KeyRPCStatusInferred, d.StatusInferred)
	w.text(KeyRPCMessage, d.Message)
	if d.Timeout > 0 {
		w.v.Uint(KeyRPCTimeout, uint64(d.Timeout/time.Microsecond))
	}
	w.v.Uint(KeyRPCRequestMessages, d.RequestMessages)
	w.v.Uint(KeyRPCResponseMessages, d.ResponseMessages)
	w.flag(KeyRPCUncounted, d.MessagesUncounted)
	if d.FirstMessage >= r.Start && d.FirstMessage != 0 {
		w.v.Uint(KeyRPCFirstMessage, uint64((d.FirstMessage-r.Start)/time.Microsecond))
	}
	if h := r.HTTP; h != nil && h.Status != 0 && h.Status != 200 { // the transport answered, not the service
		w.v.Uint(KeyStatusCode, uint64(h.Status))
	}
}

// rpcMethod: a span's method is one that the server has.
func (w *Walker) rpcMethod(d *model.RPC) {
	method := d.Method
	if w.span && method != "" && d.Status == rpcUnimplemented {
		w.v.String(KeyRPCMethodOriginal, method)
		method = other
	}
	w.text(KeyRPCMethod, method)
}

// RPCStatus returns the name of a gRPC status code, "" for one that has none.
func RPCStatus(code int) string { return model.GRPCStatus(code) }

func (w *Walker) dns(d *model.DNS) {
	w.text(KeyDNSName, d.Name)
	w.text(KeyDNSType, d.Type)
	if d.Class != "IN" {
		w.text(KeyDNSClass, d.Class)
	}
	if d.Opcode != "QUERY" {
		w.text(KeyDNSOpcode, d.Opcode)
	}
	w.text(KeyDNSRCode, d.RCode)
	if len(d.Addrs) > 0 {
		w.v.Addrs(KeyDNSAnswers, d.Addrs)
	}
	if len(d.Answers) > 0 {
		w.v.Strings(KeyDNSRecords, d.Answers)
		w.v.Uints(KeyDNSTTLs, d.TTLs)
	}
	w.v.Uint(KeyDNSID, uint64(d.ID))
	w.count(KeyDNSRetries, uint64(d.Retries))
	w.flag(KeyDNSTruncated, d.Truncated)
	w.flag(KeyDNSAuthoritative, d.Authoritative)
}

func (w *Walker) db(d *model.DB) {
	w.text(KeyDBSystem, d.System)
	w.text(KeyDBOperation, d.Operation)
	w.text(KeyDBCollection, d.Collection)
	w.text(KeyDBNamespace, d.Namespace)
	w.text(KeyDBSummary, d.Summary)
	w.text(KeyDBQuery, d.Query)
	w.text(KeyDBProcedure, d.Procedure)
	w.text(KeyDBStatus, d.Status)
	if d.Batch > 1 { // one is no batch, by the conventions
		w.v.Uint(KeyDBBatch, uint64(d.Batch))
	}
	switch {
	case d.RowsKnown && d.RowsAffected:
		w.v.Int(KeyDBAffected, d.Rows)
	case d.RowsKnown:
		w.v.Int(KeyDBReturned, d.Rows)
	}
	w.text(KeyDBCommand, d.Command)
	w.text(KeyDBUser, d.User)
	w.text(KeyDBStatement, d.Statement)
	w.count(KeyDBRequestID, uint64(d.RequestID))
	w.text(KeyDBErrorName, d.Message)
	w.flag(KeyDBQueryCut, d.QueryCut)
}

func (w *Walker) messaging(d *model.Messaging) {
	w.text(KeyMessagingSys, d.System)
	w.text(KeyMessagingOp, d.Operation)
	w.text(KeyMessagingType, d.OperationType)
	w.text(KeyDestination, d.Destination)
	if d.Destinations > 1 {
		w.v.Uint(KeyDestinations, uint64(d.Destinations))
	}
	if d.Partition >= 0 {
		w.scratch = strconv.AppendInt(w.scratch[:0], int64(d.Partition), 10)
		w.v.Bytes(KeyPartition, w.scratch)
	}
	w.text(KeyConsumerGroup, d.Group)
	w.text(KeyClientID, d.ClientID)
	if d.Messages >= 0 && !(w.span && d.Messages == 1) { // of batches only; nothing received is a batch of none
		w.v.Int(KeyBatchCount, int64(d.Messages))
	}
	if d.Offset >= 0 {
		w.v.Int(KeyKafkaOffset, d.Offset)
	}
	w.text(KeyRoutingKey, d.RoutingKey)
	w.count(KeyMessageBody, d.BodyBytes)
	w.text(KeyMessagingAPI, d.API)
	if d.APIVersion >= 0 {
		w.v.Int(KeyMessagingVer, int64(d.APIVersion))
	}
	if d.CorrelationID >= 0 {
		w.v.Int(KeyCorrelationID, d.CorrelationID)
	}
	if d.QoS >= 0 && d.System == "mqtt" {
		w.v.Int(KeyQoS, int64(d.QoS))
	}
	w.count(KeyPacketID, uint64(max(0, d.PacketID)))
}

func (w *Walker) webSocket(d *model.WebSocket) {
	w.text(KeyURLPath, d.Path)
	w.text(KeyWSSubprotocol, d.Subprotocol)
	w.v.Uint(KeyWSMessagesSent, d.MessagesSent)
	w.v.Uint(KeyWSMessagesReceived, d.MessagesReceived)
	w.v.Uint(KeyWSBytesSent, d.BytesSent)
	w.v.Uint(KeyWSBytesReceived, d.BytesReceived)
	w.count(KeyWSCloseCode, uint64(max(0, d.CloseCode)))
	w.flag(KeyWSUncounted, d.MessagesUncounted)
}

func (w *Walker) tls(d *model.TLS) {
	w.v.String(KeyTLSProtocol, "tls")
	w.text(KeyTLSVersion, d.Version)
	w.text(KeyTLSCipher, d.Cipher)
	w.text(KeyTLSCurve, d.Curve)
	w.text(KeyTLSNext, d.NextProto)
	w.v.Bool(KeyTLSEstablished, d.Established)
	w.flag(KeyTLSResumed, d.Resumed)
	w.flag(KeyTLSRetried, d.Retried)
	if len(d.Offered) > 0 {
		w.v.Strings(KeyTLSOffered, d.Offered)
	}
	if len(d.ALPN) > 0 {
		w.v.Strings(KeyTLSALPN, d.ALPN)
	}
	w.text(KeyTLSAlert, d.Alert)
	w.text(KeyTLSAlertFrom, d.AlertFrom)
	w.text(KeyQUICVersion, d.QUICVersion)
}
