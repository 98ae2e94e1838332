// SPDX-License-Identifier: Apache-2.0

package kafka

// layout describes the messages of an API in all versions, in a few words to a field:
//
//	[mark:]type[@versions]
//
// Types are bool, i8, i16, i32, i64, uuid, str, bytes, records, "(...)" for an array of structures and "[type]" for an array
// of plain values. Any of them may be null where the wire can say so. A field without versions is in all of them; @3 is in 3
// and later, @1-4 in 1 to 4. "*" says that more follows that is not described. Tagged fields, which end each structure in
// flexible versions, are passed over.
//
// A mark says what the value is to us: topic (a name), topicid, part (partition), group, error, offset, acks, key and keytype
// (of FindCoordinator), mech (SASL), topics and parts (arrays with an element for each).
//
// The order and the types are those of Kafka's message definitions; TestLayouts holds the two against each other.
type layout struct {
	name              string
	flexible, max     int16
	request, response string
}

// failed is an answer that begins with the throttle time and the error.
const failed = "i32 error:i16 *"

var layouts = [...]layout{
	0: {
		"Produce", 9, 13,
		"str@3 acks:i16 i32 topics:(topic:str@0-12 topicid:uuid@13 parts:(part:i32 records))",
		"topics:(topic:str@0-12 topicid:uuid@13 parts:(part:i32 error:i16 offset:i64 i64@2 i64@5 (i32 str)@8 str@8)) i32@1",
	},
	1: {
		"Fetch", 12, 18,
		"i32@0-14 i32 i32 i32@3 i8@4 i32@7 i32@7 topics:(topic:str@0-12 topicid:uuid@13 parts:(part:i32 i32@9 offset:i64 i32@12" +
			" i64@5 i32)) (str@0-12 uuid@13 [i32])@7 str@11",
		"i32@1 error:i16@7 i32@7 topics:(topic:str@0-12 topicid:uuid@13 parts:(part:i32 error:i16 i64 i64@4 i64@5 (i64 i64)@4" +
			" i32@11 records))",
	},
	2: {
		"ListOffsets", 6, 11,
		"i32 i8@2 topics:(topic:str parts:(part:i32 i32@4 i64 i32@0-0)) i32@10",
		"i32@2 topics:(topic:str parts:(part:i32 error:i16 [i64]@0-0 i64@1 offset:i64@1 i32@4))",
	},
	3: {
		"Metadata", 9, 13,
		"topics:(topicid:uuid@10 topic:str) bool@4 bool@8-10 bool@8",
		"i32@3 (i32 str i32 str@1) str@2 i32@1 topics:(error:i16 topic:str topicid:uuid@10 bool@1 parts:(error:i16 part:i32 i32" +
			" i32@7 [i32] [i32] [i32]@5) i32@8) i32@8-10 error:i16@13",
	},
	4: {"LeaderAndIsr", 4, 7, "*", "error:i16 *"},
	5: {"StopReplica", 2, 4, "*", "error:i16 *"},
	6: {"UpdateMetadata", 6, 8, "*", "error:i16 *"},
	7: {"ControlledShutdown", 3, 3, "i32 i64@2", "error:i16 *"},
	8: {
		"OffsetCommit", 8, 10,
		"group:str i32@1 str@1 str@7 i64@2-4 topics:(topic:str@0-9 topicid:uuid@10 parts:(part:i32 offset:i64 i32@6 i64@1-1 str))",
		"i32@3 topics:(topic:str@0-9 topicid:uuid@10 parts:(part:i32 error:i16))",
	},
	9: {
		"OffsetFetch", 6, 10,
		"group:str@0-7 topics:(topic:str parts:[part:i32])@0-7 (group:str str@9 i32@9 topics:(topic:str@0-9 topicid:uuid@10" +
			" parts:[part:i32]))@8 bool@7",
		"i32@3 topics:(topic:str parts:(part:i32 offset:i64 i32@5 str error:i16))@0-7 error:i16@2-7 (str topics:(topic:str@0-9" +
			" topicid:uuid@10 parts:(part:i32 offset:i64 i32 str error:i16)) error:i16)@8",
	},
	10: {
		"FindCoordinator", 3, 6,
		"key:str@0-3 keytype:i8@1 [key:str]@4",
		"i32@1 error:i16@0-3 str@1-3 i32@0-3 str@0-3 i32@0-3 (str i32 str i32 error:i16 str)@4",
	},
	11: {"JoinGroup", 6, 9, "group:str i32 i32@1 str str@5 str (str bytes) str@8", "i32@2 error:i16 *"},
	12: {"Heartbeat", 4, 4, "group:str i32 str str@3", "i32@1 error:i16"},
	13: {"LeaveGroup", 4, 5, "group:str str@0-2 (str str str@5)@3", "i32@1 error:i16 (str str error:i16)@3"},
	14: {"SyncGroup", 4, 5, "group:str i32 str str@3 str@5 str@5 (str bytes)", "i32@1 error:i16 *"},
	15: {
		"DescribeGroups", 5, 6,
		"[group:str] bool@3",
		"i32@1 (error:i16 str@6 str str str str (str str@4 str str bytes bytes) i32@3)",
	},
	16: {"ListGroups", 3, 5, "[str]@4 [str]@5", "i32@1 error:i16 *"},
	17: {"SaslHandshake", never, 1, "mech:str", "error:i16 [str]"},
	18: {"ApiVersions", 3, 5, "str@3 str@3 str@5 i32@5", "error:i16 *"},
	19: {
		"CreateTopics", 5, 7,
		"topics:(topic:str i32 i16 (i32 [i32]) (str str)) i32 bool@1",
		"i32@2 topics:(topic:str topicid:uuid@7 error:i16 str@1 i32@5 i16@5 (str str bool i8 bool)@5)",
	},
	20: {
		"DeleteTopics", 4, 6,
		"topics:(topic:str topicid:uuid)@6 topics:[topic:str]@0-5 i32",
		"i32@1 topics:(topic:str topicid:uuid@6 error:i16 str@5)",
	},
	21: {
		"DeleteRecords", 2, 2,
		"topics:(topic:str parts:(part:i32 offset:i64)) i32",
		"i32 topics:(topic:str parts:(part:i32 i64 error:i16))",
	},
	22: {"InitProducerId", 2, 5, "str i32 i64@3 i16@3", "i32 error:i16 i64 i16"},
	23: {
		"OffsetForLeaderEpoch", 4, 4,
		"i32@3 topics:(topic:str parts:(part:i32 i32@2 i32))",
		"i32@2 topics:(topic:str parts:(error:i16 part:i32 i32@1 i64))",
	},
	24: {
		"AddPartitionsToTxn", 3, 5,
		"(str i64 i16 bool topics:(topic:str parts:[part:i32]))@4 str@0-3 i64@0-3 i16@0-3 topics:(topic:str parts:[part:i32])@0-3",
		"i32 error:i16@4 (str topics:(topic:str parts:(part:i32 error:i16)))@4 topics:(topic:str parts:(part:i32 error:i16))@0-3",
	},
	25: {"AddOffsetsToTxn", 3, 4, "str i64 i16 group:str", "i32 error:i16"},
	26: {"EndTxn", 3, 5, "str i64 i16 bool", "i32 error:i16 i64@5 i16@5"},
	27: {
		"WriteTxnMarkers", 1, 2,
		"(i64 i16 bool topics:(topic:str parts:[part:i32]) i32 i8@2)",
		"(i64 topics:(topic:str parts:(part:i32 error:i16)))",
	},
	28: {
		"TxnOffsetCommit", 3, 6,
		"str group:str i64 i16 i32@3 str@3 str@3 topics:(topic:str@0-5 topicid:uuid@6 parts:(part:i32 offset:i64 i32@2 str))",
		"i32 topics:(topic:str@0-5 topicid:uuid@6 parts:(part:i32 error:i16))",
	},
	29: {"DescribeAcls", 2, 3, "i8 str i8@1 str str i8 i8", failed},
	30: {"CreateAcls", 2, 3, "(i8 str i8@1 str str i8 i8)", "i32 (error:i16 str)"},
	31: {"DeleteAcls", 2, 3, "(i8 str i8@1 str str i8 i8)", "i32 (error:i16 str (error:i16 str i8 str i8@1 str str i8 i8))"},
	32: {
		"DescribeConfigs", 4, 4,
		"(i8 str [str]) bool@1 bool@3",
		"i32 (error:i16 str i8 str (str str bool bool@0-0 i8@1 bool (str str i8)@1 i8@3 str@3))",
	},
	33: {"AlterConfigs", 2, 2, "(i8 str (str str)) bool", "i32 (error:i16 str i8 str)"},
	34: {
		"AlterReplicaLogDirs", 2, 2,
		"(str topics:(topic:str parts:[part:i32]))",
		"i32 topics:(topic:str parts:(part:i32 error:i16))",
	},
	35: {
		"DescribeLogDirs", 2, 5,
		"topics:(topic:str parts:[part:i32])",
		"i32 error:i16@3 (error:i16 str topics:(topic:str parts:(part:i32 i64 i64 bool)) i64@4 i64@4)",
	},
	36: {"SaslAuthenticate", 2, 2, "bytes", "error:i16 *"},
	37: {
		"CreatePartitions", 2, 3,
		"topics:(topic:str i32 ([i32])) i32 bool",
		"i32 topics:(topic:str error:i16 str)",
	},
	38: {"CreateDelegationToken", 2, 3, "*", "error:i16 *"},
	39: {"RenewDelegationToken", 2, 2, "*", "error:i16 *"},
	40: {"ExpireDelegationToken", 2, 2, "*", "error:i16 *"},
	41: {"DescribeDelegationToken", 2, 3, "*", "error:i16 *"},
	42: {"DeleteGroups", 2, 3, "[group:str]", "i32 (str error:i16 str@3)"},
	43: {"ElectLeaders", 2, 2, "i8@1 topics:(topic:str parts:[part:i32]) i32", "i32 error:i16@1 topics:(topic:str parts:(part:i32 error:i16 str))"},
	44: {"IncrementalAlterConfigs", 1, 1, "(i8 str (str i8 str)) bool", "i32 (error:i16 str i8 str)"},
	45: {
		"AlterPartitionReassignments", 0, 1,
		"i32 bool@1 topics:(topic:str parts:(part:i32 [i32]))",
		"i32 bool@1 error:i16 str topics:(topic:str parts:(part:i32 error:i16 str))",
	},
	46: {"ListPartitionReassignments", 0, 0, "i32 topics:(topic:str parts:[part:i32])", failed},
	47: {
		"OffsetDelete", never, 0,
		"group:str topics:(topic:str parts:(part:i32))",
		"error:i16 i32 topics:(topic:str parts:(part:i32 error:i16))",
	},
	48: {"DescribeClientQuotas", 1, 1, "*", failed},
	49: {"AlterClientQuotas", 1, 1, "*", "i32 (error:i16 str (str str))"},
	50: {"DescribeUserScramCredentials", 0, 0, "*", failed},
	51: {"AlterUserScramCredentials", 0, 0, "*", "i32 (str error:i16 str)"},
	52: {"Vote", 0, 2, "*", "error:i16 *"},
	53: {"BeginQuorumEpoch", 1, 1, "*", "error:i16 *"},
	54: {"EndQuorumEpoch", 1, 1, "*", "error:i16 *"},
	55: {"DescribeQuorum", 0, 2, "*", "error:i16 *"},
	56: {"AlterPartition", 0, 3, "*", failed},
	57: {"UpdateFeatures", 0, 2, "*", failed},
	58: {"Envelope", 0, 0, "*", "bytes error:i16"},
	59: {"FetchSnapshot", 0, 1, "*", failed},
	60: {"DescribeCluster", 0, 2, "bool i8@1 bool@2", failed},
	61: {
		"DescribeProducers", 0, 0,
		"topics:(topic:str parts:[part:i32])",
		"i32 topics:(topic:str parts:(part:i32 error:i16 str (i64 i32 i32 i64 i32 i64)))",
	},
	62: {"BrokerRegistration", 0, 4, "*", failed},
	63: {"BrokerHeartbeat", 0, 2, "i32 i64 i64 bool bool", failed},
	64: {"UnregisterBroker", 0, 0, "i32", failed},
	65: {"DescribeTransactions", 0, 0, "[str]", "i32 (error:i16 str str i32 i64 i64 i16 (str [i32]))"},
	66: {"ListTransactions", 0, 2, "*", failed},
	67: {"AllocateProducerIds", 0, 0, "i32 i64", failed},
	68: {"ConsumerGroupHeartbeat", 0, 1, "group:str *", failed},
	69: {"ConsumerGroupDescribe", 0, 1, "[group:str] bool", "i32 (error:i16 *)"},
	70: {"ControllerRegistration", 0, 0, "*", failed},
	71: {"GetTelemetrySubscriptions", 0, 0, "uuid", failed},
	72: {"PushTelemetry", 0, 0, "*", failed},
	73: {"AssignReplicasToDirs", 0, 0, "*", failed},
	74: {"ListConfigResources", 0, 1, "[i8]@1", failed},
	75: {
		"DescribeTopicPartitions", 0, 0,
		"topics:(topic:str) i32 *",
		"i32 topics:(error:i16 topic:str topicid:uuid bool parts:(error:i16 part:i32 i32 i32 [i32] [i32] [i32] [i32] [i32]) i32) *",
	},
	76: {"ShareGroupHeartbeat", 0, 1, "group:str *", failed},
	77: {"ShareGroupDescribe", 0, 1, "[group:str] bool", "i32 (error:i16 *)"},
	78: {"ShareFetch", 0, 2, "group:str *", failed},
	79: {"ShareAcknowledge", 0, 2, "group:str *", failed},
	80: {"AddRaftVoter", 0, 1, "*", failed},
	81: {"RemoveRaftVoter", 0, 0, "*", failed},
	82: {"UpdateRaftVoter", 0, 0, "*", failed},
	83: {"InitializeShareGroupState", 0, 0, "group:str *", "(uuid (i32 error:i16 str))"},
	84: {"ReadShareGroupState", 0, 0, "group:str *", "(uuid (i32 error:i16 *))"},
	85: {"WriteShareGroupState", 0, 1, "group:str *", "(uuid (i32 error:i16 str))"},
	86: {"DeleteShareGroupState", 0, 0, "group:str *", "(uuid (i32 error:i16 str))"},
	87: {"ReadShareGroupStateSummary", 0, 1, "group:str *", "(uuid (i32 error:i16 *))"},
	88: {"StreamsGroupHeartbeat", 0, 1, "group:str *", failed},
	89: {"StreamsGroupDescribe", 0, 1, "[group:str] bool bool@1", "i32 (error:i16 *)"},
	90: {"DescribeShareGroupOffsets", 0, 1, "(group:str topics:(topic:str parts:[part:i32]))", "i32 *"},
	91: {"AlterShareGroupOffsets", 0, 0, "group:str topics:(topic:str parts:(part:i32 offset:i64))", failed},
	92: {"DeleteShareGroupOffsets", 0, 0, "group:str topics:(topic:str)", failed},
}
