// SPDX-License-Identifier: Apache-2.0

package dns

import "strconv"

// Record types that are treated in a way of their own.
const (
	typeA     = 1
	typeCNAME = 5
	typeSOA   = 6
	typeAAAA  = 28
	typeOPT   = 41
	typeIXFR  = 251
	typeAXFR  = 252
)

// typeNames are the mnemonics of IANA's registry "Resource Record (RR) TYPEs".
var typeNames = map[uint16]string{
	1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR", 10: "NULL", 11: "WKS", 12: "PTR",
	13: "HINFO", 14: "MINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB", 19: "X25", 20: "ISDN", 21: "RT", 22: "NSAP",
	23: "NSAP-PTR", 24: "SIG", 25: "KEY", 26: "PX", 27: "GPOS", 28: "AAAA", 29: "LOC", 30: "NXT", 31: "EID", 32: "NIMLOC",
	33: "SRV", 34: "ATMA", 35: "NAPTR", 36: "KX", 37: "CERT", 38: "A6", 39: "DNAME", 40: "SINK", 41: "OPT", 42: "APL",
	43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID", 50: "NSEC3",
	51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 56: "NINFO", 57: "RKEY", 58: "TALINK", 59: "CDS",
	60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 66: "DSYNC", 67: "HHIT",
	68: "BRID", 99: "SPF", 100: "UINFO", 101: "UID", 102: "GID", 103: "UNSPEC", 104: "NID", 105: "L32", 106: "L64",
	107: "LP", 108: "EUI48", 109: "EUI64", 128: "NXNAME", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR",
	253: "MAILB", 254: "MAILA", 255: "ANY", 256: "URI", 257: "CAA", 258: "AVC", 259: "DOA", 260: "AMTRELAY",
	261: "RESINFO", 262: "WALLET", 263: "CLA", 264: "IPN", 32768: "TA", 32769: "DLV",
}

// typeName returns the mnemonic of a type, or "TYPE" with its number (RFC 3597 5).
func typeName(t uint16) string {
	if s, ok := typeNames[t]; ok {
		return s
	}
	return "TYPE" + strconv.Itoa(int(t))
}

// className returns the mnemonic of a class, or "CLASS" with its number (RFC 3597 5).
func className(c uint16) string {
	switch c {
	case 1:
		return "IN"
	case 3:
		return "CH"
	case 4:
		return "HS"
	case 254:
		return "NONE"
	case 255:
		return "ANY"
	}
	return "CLASS" + strconv.Itoa(int(c))
}

const (
	opcodeQuery  = 0
	opcodeNotify = 4
	opcodeUpdate = 5
)

var opcodeNames = [16]string{0: "QUERY", 1: "IQUERY", 2: "STATUS", 4: "NOTIFY", 5: "UPDATE", 6: "DSO"}

func opcodeName(o uint16) string {
	if s := opcodeNames[o&15]; s != "" {
		return s
	}
	return "OPCODE" + strconv.Itoa(int(o&15))
}

// rcode is a response code with the name used in the model and the error type that it makes.
type rcode struct{ name, errorType string }

var rcodes = [...]rcode{
	0: {"NOERROR", ""}, 1: {"FORMERR", "formerr"}, 2: {"SERVFAIL", "servfail"}, 3: {"NXDOMAIN", "nxdomain"},
	4: {"NOTIMP", "notimp"}, 5: {"REFUSED", "refused"}, 6: {"YXDOMAIN", "yxdomain"}, 7: {"YXRRSET", "yxrrset"},
	8: {"NXRRSET", "nxrrset"}, 9: {"NOTAUTH", "notauth"}, 10: {"NOTZONE", "notzone"}, 11: {"DSOTYPENI", "dsotypeni"},
	16: {"BADVERS", "badvers"}, 17: {"BADKEY", "badkey"}, 18: {"BADTIME", "badtime"}, 19: {"BADMODE", "badmode"},
	20: {"BADNAME", "badname"}, 21: {"BADALG", "badalg"}, 22: {"BADTRUNC", "badtrunc"}, 23: {"BADCOOKIE", "badcookie"},
}

func rcodeOf(c uint16) rcode {
	if int(c) < len(rcodes) && rcodes[c].name != "" {
		return rcodes[c]
	}
	n := strconv.Itoa(int(c))
	return rcode{"RCODE" + n, "rcode" + n}
}
