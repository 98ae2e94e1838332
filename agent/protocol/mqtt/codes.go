// SPDX-License-Identifier: Apache-2.0

package mqtt

import "strconv"

const (
	codeFailure  = 0x80 // and above: errors (MQTT 5 section 2.4)
	codeContinue = 0x18 // the exchange of AUTH goes on
)

// oldCodes are those of CONNACK before MQTT 5 (MQTT 3.1.1 section 3.2.2.3).
var oldCodes = [...]string{
	"", "unacceptable_protocol_version", "identifier_rejected", "server_unavailable", "bad_user_name_or_password", "not_authorized",
}

// reasons are the names of MQTT 5 section 2.4.
var reasons = map[byte]string{
	0x80: "unspecified_error", 0x81: "malformed_packet", 0x82: "protocol_error", 0x83: "implementation_specific_error",
	0x84: "unsupported_protocol_version", 0x85: "client_identifier_not_valid", 0x86: "bad_user_name_or_password",
	0x87: "not_authorized", 0x88: "server_unavailable", 0x89: "server_busy", 0x8a: "banned", 0x8b: "server_shutting_down",
	0x8c: "bad_authentication_method", 0x8d: "keep_alive_timeout", 0x8e: "session_taken_over", 0x8f: "topic_filter_invalid",
	0x90: "topic_name_invalid", 0x91: "packet_identifier_in_use", 0x92: "packet_identifier_not_found",
	0x93: "receive_maximum_exceeded", 0x94: "topic_alias_invalid", 0x95: "packet_too_large", 0x96: "message_rate_too_high",
	0x97: "quota_exceeded", 0x98: "administrative_action", 0x99: "payload_format_invalid", 0x9a: "retain_not_supported",
	0x9b: "qos_not_supported", 0x9c: "use_another_server", 0x9d: "server_moved", 0x9e: "shared_subscriptions_not_supported",
	0x9f: "connection_rate_exceeded", 0xa0: "maximum_connect_time", 0xa1: "subscription_identifiers_not_supported",
	0xa2: "wildcard_subscriptions_not_supported",
}

// reasonName returns the name of a code that is an error, "" for others.
func reasonName(code byte) string {
	if code < codeFailure {
		return ""
	}
	if name := reasons[code]; name != "" {
		return name
	}
	return "0x" + strconv.FormatUint(uint64(code), 16)
}

// connackName is reasonName for CONNACK of any version.
func connackName(code byte) string {
	if int(code) < len(oldCodes) {
		return oldCodes[code]
	}
	if code < codeFailure {
		return "0x" + strconv.FormatUint(uint64(code), 16)
	}
	return reasonName(code)
}

// isReason tells whether a byte is a reason code of an acknowledgement.
func isReason(code byte) bool {
	return code == 0 || code == 0x10 || reasons[code] != "" || code == 0x11
}
