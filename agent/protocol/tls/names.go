// SPDX-License-Identifier: Apache-2.0

package tls

import (
	_ "embed" // the table of cipher suites
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Versions on the wire.
const (
	version2  = 0x0002
	version30 = 0x0300
	version12 = 0x0303
	version13 = 0x0304

	ciphers13 = 0x13 // upper byte of the cipher suites of TLS 1.3 (RFC 8446 B.4)
)

// versionName returns the version as the conventions write it: "1.2"; "SSLv3", "1.3-draft18" for what came before.
func versionName(v uint16) string {
	switch {
	case v == version2:
		return "SSLv2"
	case v == version30:
		return "SSLv3"
	case v>>8 == 3 && v&0xff <= 4:
		return "1." + strconv.Itoa(int(v&0xff)-1)
	case v>>8 == 0x7f: // RFC 8446 4.2.1 as drafts had it
		return "1.3-draft" + strconv.Itoa(int(v&0xff))
	}
	return hexName(v)
}

func hexName(v uint16) string { return fmt.Sprintf("0x%04x", v) }

// isGREASE tells whether a value only keeps the other side tolerant (RFC 8701).
func isGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// cipherTable is IANA's registry "TLS Cipher Suites".
//
//go:embed ciphers.txt
var cipherTable string

var ciphers = sync.OnceValue(func() map[uint16]string {
	m := make(map[uint16]string, strings.Count(cipherTable, "\n"))
	for line := range strings.Lines(cipherTable) {
		code, name, ok := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseUint(code, 16, 16); ok && err == nil {
			m[uint16(n)] = name
		}
	}
	return m
})

// cipherName returns the name of a cipher suite, or its code.
func cipherName(c uint16) string {
	if name, ok := ciphers()[c]; ok {
		return name
	}
	return hexName(c)
}

// groupNames are from IANA's registry "TLS Supported Groups".
var groupNames = map[uint16]string{
	1: "sect163k1", 2: "sect163r1", 3: "sect163r2", 4: "sect193r1", 5: "sect193r2", 6: "sect233k1", 7: "sect233r1",
	8: "sect239k1", 9: "sect283k1", 10: "sect283r1", 11: "sect409k1", 12: "sect409r1", 13: "sect571k1", 14: "sect571r1",
	15: "secp160k1", 16: "secp160r1", 17: "secp160r2", 18: "secp192k1", 19: "secp192r1", 20: "secp224k1", 21: "secp224r1",
	22: "secp256k1", 23: "secp256r1", 24: "secp384r1", 25: "secp521r1", 26: "brainpoolP256r1", 27: "brainpoolP384r1",
	28: "brainpoolP512r1", 29: "x25519", 30: "x448", 31: "brainpoolP256r1tls13", 32: "brainpoolP384r1tls13",
	33: "brainpoolP512r1tls13", 34: "GC256A", 35: "GC256B", 36: "GC256C", 37: "GC256D", 38: "GC512A", 39: "GC512B",
	40: "GC512C", 41: "curveSM2", 256: "ffdhe2048", 257: "ffdhe3072", 258: "ffdhe4096", 259: "ffdhe6144", 260: "ffdhe8192",
	512: "MLKEM512", 513: "MLKEM768", 514: "MLKEM1024", 4587: "SecP256r1MLKEM768", 4588: "X25519MLKEM768",
	4589: "SecP384r1MLKEM1024", 0x6399: "X25519Kyber768Draft00", 0x639a: "SecP256r1Kyber768Draft00",
}

func groupName(g uint16) string {
	if name, ok := groupNames[g]; ok {
		return name
	}
	return hexName(g)
}

// Alerts that are no errors by themselves (RFC 8446 6.1).
const (
	alertCloseNotify  = 0
	alertUserCanceled = 90
)

// alertNames are from IANA's registry "TLS Alerts".
var alertNames = map[uint8]string{
	0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed", 22: "record_overflow",
	30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate", 42: "bad_certificate",
	43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
	47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error", 51: "decrypt_error",
	52: "too_many_cids_requested", 60: "export_restriction", 70: "protocol_version", 71: "insufficient_security",
	80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation",
	109: "missing_extension", 110: "unsupported_extension", 111: "certificate_unobtainable", 112: "unrecognized_name",
	113: "bad_certificate_status_response", 114: "bad_certificate_hash_value", 115: "unknown_psk_identity",
	116: "certificate_required", 117: "general_error", 120: "no_application_protocol", 121: "ech_required",
}

// AlertName returns the description of an alert, "alert_" with its number for one without a name.
func AlertName(a uint8) string {
	if name, ok := alertNames[a]; ok {
		return name
	}
	return "alert_" + strconv.Itoa(int(a))
}
