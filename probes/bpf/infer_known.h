// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the first bytes of a turn look like, besides HTTP/1: protocols that user space has parsers for. A wrong claim costs
 * copied bytes, a missing one makes a connection invisible; so a claim needs a length that fits, or words that hardly
 * anything else begins with. Pure C without kernel headers, tested on the host (test/known_test.go).
 */
#ifndef SONDE_INFER_KNOWN_H
#define SONDE_INFER_KNOWN_H

#include "infer.h"

enum known {
	KNOWN_NONE = 0,
	KNOWN_HTTP2 = 1, /* the connection preface */
	KNOWN_FRAME =
		2, /* a frame of HTTP/2; never said by infer_known(), because the next frame has to be looked at too */
	KNOWN_TLS = 3, /* a handshake begins */
	KNOWN_TLS_DATA = 4,
	KNOWN_POSTGRESQL = 5,
	KNOWN_MYSQL = 6,
	KNOWN_REDIS = 7,
	KNOWN_MEMCACHED = 8,
	KNOWN_MONGODB = 9,
	KNOWN_KAFKA = 10,
	KNOWN_AMQP = 11,
	KNOWN_NATS = 12,
	KNOWN_MQTT = 13,
	KNOWN_DNS = 14,
};

#define INFER_WHOLE 512 /* a segment shorter than this is a whole write: a message does not reach beyond it */

#define INFER_WORD(a, b, c, d) ((unsigned int)(a) | (b) << 8 | (c) << 16 | (unsigned int)(d) << 24)

static __always_inline unsigned int infer_be16(const unsigned char *p)
{
	return p[0] << 8 | p[1];
}

static __always_inline unsigned int infer_be32(const unsigned char *p)
{
	return (unsigned int)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static __always_inline unsigned int infer_le32(const unsigned char *p)
{
	return INFER_WORD(p[0], p[1], p[2], p[3]);
}

/* The first bytes of a turn. */
struct turn {
	unsigned char first[INFER_BYTES]; /* zero behind the end */
	unsigned int len;		  /* of first */
	unsigned int total;		  /* of the segment */
};

/* p[i & 15] by arithmetic: old verifiers want every index into the stack to be known. */
static __always_inline unsigned char infer_at(const unsigned char *p, unsigned int i)
{
	unsigned long long half;

	__builtin_memcpy(&half, p, 8);
	if (i & 8)
		__builtin_memcpy(&half, p + 8, 8);
	return half >> (i & 7) * 8;
}

static __always_inline int infer_is_lower(unsigned char c)
{
	return c >= 'a' && c <= 'z';
}

static __always_inline int infer_is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static __always_inline int infer_is_printable(unsigned char c)
{
	return c >= ' ' && c < 0x7f;
}

/* Whether a message of n bytes can begin a segment of total: it fills it, or others follow it, or it is cut by TCP. */
static __always_inline int infer_fits(unsigned int n, unsigned int total)
{
	return n <= total || total >= INFER_WHOLE;
}

/* RFC 9113 3.4. No method of HTTP/1 is called PRI, so a part of the preface is enough. */
static __always_inline int infer_preface(const unsigned char *p, unsigned int len)
{
	return len >= 5 && infer_le32(p) == INFER_WORD('P', 'R', 'I', ' ') && p[4] == '*' && (len < 6 || p[5] == ' ') &&
	       (len < 12 || (p[6] == 'H' && p[10] == '/' && p[11] == '2'));
}

#define FRAME_TYPES 16

/* By type, from DATA to CONTINUATION (RFC 9113 6). */
static const struct {
	unsigned char flags;  /* that are defined */
	unsigned char least;  /* length of the payload */
	unsigned char most;   /* the same, 0 where there is no limit */
	unsigned char stream; /* bit 0: may be 0, bit 1: may be another */
} frame_types[FRAME_TYPES] = {
	{ 0x09, 0, 0, 2 }, { 0x2d, 1, 0, 2 }, { 0, 5, 5, 2 }, { 0, 4, 4, 2 }, { 0x01, 0, 0, 1 },
	{ 0x0c, 4, 0, 2 }, { 0x01, 8, 8, 1 }, { 0, 8, 0, 1 }, { 0, 4, 4, 3 }, { 0x04, 0, 0, 2 },
};

/*
 * RFC 9113 4.1: whether 9 bytes are a frame header as they are in use: a known type, a length that it can have, a stream
 * where one belongs. max: of the payload.
 */
static __always_inline int infer_frame(const unsigned char *p, unsigned int max)
{
	unsigned int n = p[0] << 16 | p[1] << 8 | p[2], type = p[3] & (FRAME_TYPES - 1);

	if (p[3] > 9 || n > max || n < frame_types[type].least || (p[5] & 0x80))
		return 0;
	if ((frame_types[type].most && n > frame_types[type].most) || (p[4] & ~frame_types[type].flags))
		return 0;
	if (p[3] == 4 && (n % 6 || (n && p[4]))) /* SETTINGS: pairs of 6 bytes, or an acknowledgement of them */
		return 0;
	return frame_types[type].stream & (infer_be32(p + 5) ? 2 : 1);
}

/*
 * Each protocol is a function of its own, not inlined, and takes even the lengths from memory: so what one of them has found
 * out about a turn is nothing to the next, and the verifier need not follow all the combinations.
 */

/* RFC 8446 5.1 and 4: a record that begins with ClientHello or ServerHello, or of a connection that is past them. */
static __noinline int infer_tls(const struct turn *turn)
{
	const unsigned char *p = turn->first;
	unsigned int len = turn->len;
	unsigned int n = infer_be16(p + 3);

	if (len < 5 || p[1] != 3 || p[2] > 4)
		return KNOWN_NONE;
	if (p[0] == 0x16) {
		if (n < 4 || n > 16384)
			return KNOWN_NONE;
		return len < 6 || ((p[5] == 1 || p[5] == 2) && !p[6]) ? KNOWN_TLS : KNOWN_NONE;
	}
	if (p[0] == 0x17 && n > 16 && n <= 16384 + 2048 && p[2])
		return KNOWN_TLS_DATA;
	if (p[0] == 0x15 && n == 2 && p[2]) /* an alert before the keys are there */
		return len < 7 || p[5] == 1 || p[5] == 2 ? KNOWN_TLS : KNOWN_NONE;
	return KNOWN_NONE;
}

/* Messages without a type, which only begin a connection: startup of protocol 3, cancel, requests for TLS and for GSS. */
static __always_inline int infer_postgresql_startup(const unsigned char *p, unsigned int len)
{
	unsigned int n = infer_be32(p), code = infer_be32(p + 4);

	if (len < 8 || n < 8 || n > 10000)
		return 0;
	if (code == 80877103 || code == 80877104) /* SSLRequest, GSSENCRequest */
		return n == 8;
	return code == 80877102 ||
	       (code >> 16 == 3 && (code & 0xffff) < 16 && len > 8 && (infer_is_lower(p[8]) || p[8] == '_'));
}

/* Whether what stands behind the length of a message is what its type holds. */
static __always_inline int infer_postgresql_body(const unsigned char *p, unsigned int len, unsigned int n)
{
	unsigned char c = len > 5 ? p[5] : 0;

	switch (p[0]) {
	case 'Z': /* ReadyForQuery */
		return n == 5 && (c == 'I' || c == 'T' || c == 'E');
	case '1': /* ParseComplete */
	case '2': /* BindComplete */
	case '3': /* CloseComplete */
	case 'n': /* NoData */
	case 's': /* PortalSuspended */
	case 'I': /* EmptyQueryResponse */
	case 'H': /* Flush; CopyOutResponse is longer */
	case 'S': /* Sync; ParameterStatus is longer */
	case 'c': /* CopyDone */
	case 'X': /* Terminate */
		if (n == 4)
			return 1;
		if (p[0] == 'H')
			return n >= 7 && c < 2;
		return p[0] == 'S' && n > 6 && infer_is_lower(c | 0x20);
	case 'Q': /* Query */
	case 'P': /* Parse: the name of the statement, often none */
		return n >= 5 && n < 1 << 26 &&
		       (c == 0 || c == '\n' || c == '\t' || c == '\r' || infer_is_printable(c));
	case 'B': /* Bind */
		return n >= 10 && (c == 0 || infer_is_printable(c));
	case 'E': /* ErrorResponse; Execute */
		return (n > 8 && c == 'S') || (n >= 9 && (c == 0 || infer_is_printable(c)));
	case 'N': /* NoticeResponse */
		return n > 8 && c == 'S';
	case 'C': /* CommandComplete; Close */
		return n >= 6 && infer_is_upper(c);
	case 'D': /* DataRow; Describe */
		return (n >= 6 && (c == 'S' || c == 'P')) || (n >= 6 && c < 7);
	case 'T': /* RowDescription */
		return n >= 6 && c < 7;
	case 'R': /* Authentication */
		return n >= 8 && n < 4096 && !c && len > 8 && !p[6] && !p[7] && p[8] <= 12;
	case 'K': /* BackendKeyData */
		return n >= 12 && n <= 264;
	case 'A': /* NotificationResponse */
		return n >= 10 && n < 16384;
	case 't': /* ParameterDescription */
		return n >= 6 && c < 128;
	case 'G': /* CopyInResponse */
	case 'W': /* CopyBothResponse */
		return n >= 7 && c < 2;
	case 'F': /* FunctionCall */
		return n >= 14;
	case 'p': /* PasswordMessage, SASL */
	case 'd': /* CopyData */
	case 'f': /* CopyFail */
		return n > 4 && n < 1 << 20;
	}
	return 0;
}

/* PostgreSQL 3.x: a letter, and a length that counts itself. */
static __noinline int infer_postgresql(const struct turn *turn)
{
	const unsigned char *p = turn->first;
	unsigned int len = turn->len, total = turn->total;
	unsigned int n = infer_be32(p + 1), next;
	unsigned char c;

	if (!p[0])
		return infer_postgresql_startup(p, len);
	if (len < 5 || n < 4 || n > 1 << 26 || !infer_fits(n + 1, total) || !infer_postgresql_body(p, len, n))
		return 0;
	next = n + 1; /* another message behind it begins like one too */
	if (next + 2 > len)
		return 1;
	c = infer_at(p, next);
	return (infer_is_lower(c | 0x20) || (c >= '1' && c <= '3')) && !infer_at(p, next + 1);
}

/* A statement as people and libraries write it. */
static __always_inline int infer_is_text(unsigned char c)
{
	return infer_is_printable(c) || c == '\n' || c == '\t' || c == '\r';
}

/* A command of a client: packet 0 of an exchange, which is nearly always a write of its own. */
static __always_inline int infer_mysql_command(const unsigned char *p, unsigned int len, unsigned int n)
{
	switch (p[4]) {
	case 0x01: /* COM_QUIT */
	case 0x09: /* COM_STATISTICS */
	case 0x0e: /* COM_PING */
	case 0x1f: /* COM_RESET_CONNECTION */
		return n == 1;
	case 0x02: /* COM_INIT_DB */
	case 0x04: /* COM_FIELD_LIST */
	case 0x11: /* COM_CHANGE_USER */
	case 0x16: /* COM_STMT_PREPARE */
		return len > 5 && infer_is_text(p[5]) && (len < 7 || n < 3 || infer_is_text(p[6]) || p[4] != 0x16);
	case 0x03: /* COM_QUERY; with attributes, their number and sets of them come first */
		if (len > 7 && p[5] < 16 && p[6] == 1)
			return p[5] ? n > 8 : infer_is_text(p[7]);
		return len > 5 && infer_is_text(p[5]) && (len < 7 || n < 3 || infer_is_text(p[6]));
	case 0x17: /* COM_STMT_EXECUTE */
		return n >= 10 && len > 9 && (!p[8] || infer_le32(p + 5) == 0xffffffff) && p[9] < 16;
	case 0x18: /* COM_STMT_SEND_LONG_DATA */
		return n >= 7 && len > 8 && !p[8];
	case 0x19: /* COM_STMT_CLOSE */
	case 0x1a: /* COM_STMT_RESET */
		return n == 5 && len > 8 && (!p[8] || infer_le32(p + 5) == 0xffffffff);
	case 0x1b: /* COM_SET_OPTION */
		return n == 3;
	case 0x1c: /* COM_STMT_FETCH */
		return n == 9;
	}
	return 0;
}

/* The server speaks first: protocol 10 and a version, or that it will not have us. */
static __always_inline int infer_mysql_greeting(const unsigned char *p, unsigned int len, unsigned int n,
						unsigned int total)
{
	if (len < 8 || n + 4 != total)
		return 0;
	if (p[4] == 10)
		return n > 30 && infer_is_digit(p[5]) &&
		       (p[6] == '.' || (infer_is_digit(p[6]) && (p[7] == '.' || infer_is_digit(p[7]))));
	return p[4] == 0xff && p[6] == 0x04 && infer_is_printable(p[7]);
}

/* Packets of 3 bytes length, low byte first, and a number that counts them. */
static __noinline int infer_mysql(const struct turn *turn)
{
	const unsigned char *p = turn->first;
	unsigned int len = turn->len, total = turn->total;
	unsigned int n = p[0] | p[1] << 8 | p[2] << 16;

	if (len < 5 || !n)
		return 0;
	if (p[3] == 1) /* a result set: the number of columns, and the first of them, of the catalogue "def" */
		return n == 1 && len > 12 && p[4] && p[8] == 2 && p[9] == 3 && p[10] == 'd' && p[11] == 'e' &&
		       p[12] == 'f';
	if (p[3])
		return 0;
	if (infer_mysql_greeting(p, len, n, total))
		return 1;
	if (n + 4 > total && total < INFER_WHOLE)
		return 0;
	/* several commands in one write: the next one has the number 0 too */
	if (n + 4 < total && n + 8 <= len && infer_at(p, n + 7))
		return 0;
	return infer_mysql_command(p, len, n);
}

/* RESP: a letter, and a number or a few words up to the end of the line. */
static __noinline int infer_redis(const struct turn *turn)
{
	const unsigned char *p = turn->first;
	unsigned int len = turn->len, total = turn->total;
	unsigned int i, signs = 0;

	switch (p[0]) {
	case '+': /* +OK, +PONG, +QUEUED, +string */
	case '-': /* -ERR ..., -WRONGTYPE ... */
		if (len < 4 || !(p[0] == '-' ? infer_is_upper(p[1]) && infer_is_upper(p[2]) : infer_is_printable(p[1])))
			return 0;
		for (i = 2; i < INFER_BYTES && i < len; i++) {
			if (p[i] == '\r')
				return i + 1 >= len || p[(i + 1) & (INFER_BYTES - 1)] == '\n';
			if (!infer_is_printable(p[i]))
				return 0;
		}
		return total > len;
	case '_':
		return len == 3 && p[1] == '\r' && p[2] == '\n';
	case '#':
		return len >= 4 && (p[1] == 't' || p[1] == 'f') && p[2] == '\r' && p[3] == '\n';
	case '*':
	case '$':
	case ':':
	case '%':
	case '~':
	case '>':
	case '=':
	case '!':
	case '|':
	case '(':
	case ',':
		break;
	default:
		return 0;
	}
	for (i = 1; i < INFER_BYTES && i < len; i++) {
		if (p[i] == '\r')
			return i > 1 + signs && (i + 1 >= len || p[(i + 1) & (INFER_BYTES - 1)] == '\n');
		if (i == 1 && (p[i] == '-' || p[i] == '+'))
			signs = 1;
		else if (!infer_is_digit(p[i]) && !(p[0] == ',' && i > 1 && (p[i] == '.' || p[i] == 'e')))
			return 0;
	}
	return len >= INFER_BYTES && (p[0] == ',' || p[0] == '(' || p[0] == ':');
}

/* Answers of memcached, and the verbs of NATS, which both stand in capital letters. */
static __noinline int infer_capitals(const struct turn *turn)
{
	const unsigned char *p = turn->first;
	unsigned int len = turn->len;
	unsigned char fifth = len > 4 ? p[4] : 0, sixth = len > 5 ? p[5] : 0;

	if (len < 4)
		return KNOWN_NONE;
	switch (infer_le32(p)) {
	case INFER_WORD('I', 'N', 'F', 'O'):
		return fifth == ' ' && sixth == '{' ? KNOWN_NATS : KNOWN_NONE;
	case INFER_WORD('C', 'O', 'N', 'N'):
		return len > 8 && p[7] == ' ' && p[8] == '{' ? KNOWN_NATS : KNOWN_NONE;
	case INFER_WORD('P', 'I', 'N', 'G'):
	case INFER_WORD('P', 'O', 'N', 'G'):
		return fifth == '\r' && sixth == '\n' ? KNOWN_NATS : KNOWN_NONE;
	case INFER_WORD('P', 'U', 'B', ' '):
	case INFER_WORD('S', 'U', 'B', ' '):
	case INFER_WORD('M', 'S', 'G', ' '):
		return fifth > ' ' && fifth < 0x7f && fifth != '/' && fifth != '*' ? KNOWN_NATS : KNOWN_NONE;
	case INFER_WORD('H', 'P', 'U', 'B'):
	case INFER_WORD('H', 'M', 'S', 'G'):
		return fifth == ' ' && sixth != '/' ? KNOWN_NATS : KNOWN_NONE;
	case INFER_WORD('U', 'N', 'S', 'U'):
		return fifth == 'B' && sixth == ' ' ? KNOWN_NATS : KNOWN_NONE;
	case INFER_WORD('V', 'A', 'L', 'U'):
		return fifth == 'E' && sixth == ' ' && len > 6 && p[6] != '/' ? KNOWN_MEMCACHED : KNOWN_NONE;
	case INFER_WORD('S', 'T', 'O', 'R'):
		return fifth == 'E' && sixth == 'D' ? KNOWN_MEMCACHED : KNOWN_NONE;
	case INFER_WORD('N', 'O', 'T', '_'):
		return fifth == 'S' || fifth == 'F' ? KNOWN_MEMCACHED : KNOWN_NONE;
	case INFER_WORD('E', 'X', 'I', 'S'):
		return fifth == 'T' && sixth == 'S' ? KNOWN_MEMCACHED : KNOWN_NONE;
	case INFER_WORD('D', 'E', 'L', 'E'):
		return fifth == 'T' && sixth == 'E' && len > 6 && p[6] == 'D' ? KNOWN_MEMCACHED : KNOWN_NONE;
	case INFER_WORD('T', 'O', 'U', 'C'):
		return fifth == 'H' && sixth == 'E' ? KNOWN_MEMCACHED : KNOWN_NONE;
	case INFER_WORD('E', 'R', 'R', 'O'):
		return fifth == 'R' && sixth == '\r' ? KNOWN_MEMCACHED : KNOWN_NONE;
	case INFER_WORD('C', 'L', 'I', 'E'):
	case INFER_WORD('S', 'E', 'R', 'V'):
		return len > 7 && p[6] == '_' && p[7] == 'E' ? KNOWN_MEMCACHED : KNOWN_NONE;
	case INFER_WORD('V', 'E', 'R', 'S'):
		return fifth == 'I' && len > 8 && p[7] == ' ' && infer_is_digit(p[8]) ? KNOWN_MEMCACHED : KNOWN_NONE;
	case INFER_WORD('S', 'T', 'A', 'T'):
		return fifth == ' ' && infer_is_lower(sixth) ? KNOWN_MEMCACHED : KNOWN_NONE;
	case INFER_WORD('E', 'N', 'D', '\r'):
	case INFER_WORD('O', 'K', '\r', '\n'):
	case INFER_WORD('H', 'D', '\r', '\n'):
	case INFER_WORD('E', 'N', '\r', '\n'):
	case INFER_WORD('N', 'F', '\r', '\n'):
	case INFER_WORD('N', 'S', '\r', '\n'):
	case INFER_WORD('E', 'X', '\r', '\n'):
	case INFER_WORD('M', 'N', '\r', '\n'):
		return KNOWN_MEMCACHED;
	}
	if (p[2] == ' ' && ((p[0] == 'V' && p[1] == 'A' && infer_is_digit(p[3])) ||
			    (p[0] == 'H' && p[1] == 'D' && infer_is_lower(p[3]))))
		return KNOWN_MEMCACHED;
	return KNOWN_NONE;
}

/* Commands of memcached stand in small letters. */
static __noinline int infer_memcached_text(const struct turn *turn)
{
	const unsigned char *p = turn->first;
	unsigned int len = turn->len;
	unsigned char fifth = len > 4 ? p[4] : 0;
	int key = infer_is_printable(fifth) && fifth != ' ';

	if (len < 4)
		return 0;
	switch (infer_le32(p)) {
	case INFER_WORD('g', 'e', 't', ' '):
	case INFER_WORD('s', 'e', 't', ' '):
	case INFER_WORD('a', 'd', 'd', ' '):
	case INFER_WORD('c', 'a', 's', ' '):
	case INFER_WORD('g', 'a', 't', ' '):
		return key;
	case INFER_WORD('g', 'e', 't', 's'):
	case INFER_WORD('g', 'a', 't', 's'):
	case INFER_WORD('i', 'n', 'c', 'r'):
	case INFER_WORD('d', 'e', 'c', 'r'):
		return fifth == ' ';
	case INFER_WORD('r', 'e', 'p', 'l'):
		return len > 7 && p[7] == ' ';
	case INFER_WORD('a', 'p', 'p', 'e'):
	case INFER_WORD('d', 'e', 'l', 'e'):
		return len > 6 && p[6] == ' ';
	case INFER_WORD('p', 'r', 'e', 'p'):
		return len > 7 && p[7] == ' ';
	case INFER_WORD('t', 'o', 'u', 'c'):
		return len > 5 && p[5] == ' ';
	case INFER_WORD('s', 't', 'a', 't'):
		return len > 5 && fifth == 's' && (p[5] == ' ' || p[5] == '\r');
	case INFER_WORD('v', 'e', 'r', 's'):
		return len > 7 && p[6] == 'n' && p[7] == '\r';
	case INFER_WORD('v', 'e', 'r', 'b'):
		return fifth == 'o';
	case INFER_WORD('f', 'l', 'u', 's'):
		return len > 5 && fifth == 'h' && p[5] == '_';
	case INFER_WORD('q', 'u', 'i', 't'):
		return fifth == '\r';
	case INFER_WORD('m', 'n', '\r', '\n'):
		return 1;
	}
	/* meta commands: mg, ms, md, ma, me */
	return p[0] == 'm' && p[2] == ' ' && infer_is_printable(p[3]) && p[3] != ' ' &&
	       (p[1] == 'g' || p[1] == 's' || p[1] == 'd' || p[1] == 'a' || p[1] == 'e');
}

/* The binary protocol: a header of 24 bytes, of which 16 are looked at. */
static __noinline int infer_memcached_binary(const struct turn *turn)
{
	const unsigned char *p = turn->first;
	unsigned int len = turn->len, total = turn->total;
	unsigned int key = infer_be16(p + 2), body = infer_be32(p + 8);

	return len >= 12 && total >= 24 && (p[0] == 0x80 || p[0] == 0x81) && p[1] < 0x60 && !p[5] && p[4] <= 32 &&
	       key <= 250 && key + p[4] <= body && body < 1 << 26 && infer_fits(body + 24, total) && (body || p[1]);
}

/* A header of 16 bytes, numbers low byte first. Some clients write it before the message. */
static __noinline int infer_mongodb(const struct turn *turn)
{
	const unsigned char *p = turn->first;
	unsigned int len = turn->len, total = turn->total;
	unsigned int n = infer_le32(p), op = infer_le32(p + 12);

	if (len < 16 || n < 16 || n > 48000000 + 16384 || !(infer_fits(n, total) || total == 16))
		return 0;
	return op == 2013 || op == 2012 || (op == 1 && n >= 36) || (op >= 2001 && op <= 2007 && op != 2003);
}

/* A request; answers have no more than a length and a number. */
static __noinline int infer_kafka(const struct turn *turn)
{
	const unsigned char *p = turn->first;
	unsigned int len = turn->len, total = turn->total;
	unsigned int n = infer_be32(p), id = infer_be16(p + 12);

	if (len < 14 || n < 10 || n > 100 << 20 || infer_be16(p + 4) >= 100 || infer_be16(p + 6) >= 30 || p[8] >= 0x80)
		return 0;
	/* alone in its segment, cut by TCP, or with the header of another one behind it */
	if (n + 4 != total && !(n + 4 > total && total >= INFER_WHOLE) && n + 18 > total)
		return 0;
	if (id == 0xffff || id == 0)
		return n + 4 == total && infer_be16(p + 4) < 76;
	return id < 256 && id + 10 <= n && (len < 15 || infer_is_printable(p[14]));
}

/* The header of a connection, or a frame: methods of the classes there are, and heartbeats. */
static __noinline int infer_amqp(const struct turn *turn)
{
	const unsigned char *p = turn->first;
	unsigned int len = turn->len, total = turn->total;
	unsigned int n = infer_be32(p + 3), class = infer_be16(p + 7);

	if (p[0] == 'A')
		return len >= 5 && infer_le32(p) == INFER_WORD('A', 'M', 'Q', 'P') && p[4] <= 3;
	if (len < 8 || n > 1 << 20)
		return 0;
	if (p[0] == 8)
		return !n && !p[1] && !p[2] && p[7] == 0xce;
	if (p[0] != 1 || len < 11 || n < 4 || !infer_fits(n + 8, total) || p[9] || p[10] < 10 || p[10] > 121)
		return 0;
	return class == 10 || class == 20 || class == 40 || class == 50 || class == 60 || class == 85 || class == 90;
}

/* MQTT 3.1 to 5: a type, a length in groups of 7 bits. Only types of which enough is fixed. */
static __noinline int infer_mqtt(const struct turn *turn)
{
	const unsigned char *p = turn->first;
	unsigned int len = turn->len, total = turn->total;
	unsigned int n = 0, i, at = 0, text;

	for (i = 1; i < 5; i++) {
		n |= (unsigned int)(p[i] & 0x7f) << (7 * (i - 1));
		if (!(p[i] & 0x80)) {
			at = i + 1;
			break;
		}
	}
	if (!at || len < at)
		return 0;
	switch (p[0] & 0xf0) {
	case 0x10: /* CONNECT */
		if (p[0] != 0x10 || at + 8 > len)
			return 0;
		if (infer_at(p, at) || infer_at(p, at + 2) != 'M' || infer_at(p, at + 3) != 'Q')
			return 0;
		return infer_at(p, at + 1) == 4 ?
			       infer_at(p, at + 4) == 'T' && infer_at(p, at + 5) == 'T' :
			       infer_at(p, at + 1) == 6 && infer_at(p, at + 4) == 'I' && infer_at(p, at + 5) == 's';
	case 0x30: /* PUBLISH: a topic */
		text = infer_at(p, at) << 8 | infer_at(p, at + 1);
		return (p[0] & 6) != 6 && at + 3 <= len && n >= 3 && infer_fits(n + at, total) && text &&
		       text + 2 <= n && text < 1024 && infer_is_printable(infer_at(p, at + 2)) &&
		       (text < 2 || at + 4 > len || infer_is_printable(infer_at(p, at + 3)));
	case 0x80: /* SUBSCRIBE */
		return p[0] == 0x82 && n + at == total && n >= 6 && !infer_at(p, at + 2);
	case 0x40: /* PUBACK */
		return p[0] == 0x40 && n == 2 && total == 4;
	case 0xc0: /* PINGREQ */
	case 0xd0: /* PINGRESP */
		return !(p[0] & 15) && !n && total == 2;
	}
	return 0;
}

/* RFC 1035 4.1.1: 12 bytes, of which left is how many bytes there are in all; one question, as in practice. */
static __always_inline int infer_dns(const unsigned char *p, unsigned int left)
{
	unsigned int questions = infer_be16(p + 4), answers = infer_be16(p + 6),
		     others = infer_be16(p + 8) + infer_be16(p + 10);
	unsigned int response = p[2] & 0x80, opcode = p[2] & 0x78, rcode = p[3] & 0x0f;

	if (left < 12 || (p[3] & 0x40) || opcode > 5 << 3 || rcode > 11 || opcode == 1 << 3 || opcode == 3 << 3)
		return 0;
	if (!questions) /* an answer to what could not be read */
		return response && rcode && !answers && !others && left == 12;
	if (questions != 1 || left < 17)
		return 0;
	if (!response)
		return !rcode && (opcode ? answers < 16 && others < 64 : !answers && others <= 2);
	return answers < 1024 && others < 256 && (answers + others) * 11 + 17 <= left;
}

/* The first label of the name that is asked for: of letters, or none at all for the root. */
static __always_inline int infer_dns_name(const unsigned char *p, unsigned int left)
{
	return p[0] == 0 || (p[0] <= 63 && p[0] + 6U <= left && infer_is_printable(p[1]));
}

/* RFC 1035 4.2.2: the same behind its length. */
static __noinline int infer_dns_tcp(const struct turn *turn)
{
	const unsigned char *p = turn->first;
	unsigned int len = turn->len, total = turn->total;
	unsigned int n = infer_be16(p);

	return len >= 16 && infer_fits(n + 2, total) && infer_dns(p + 2, n) && infer_be16(p + 6) == 1 &&
	       infer_dns_name(p + 14, n - 12);
}

/* What looks like HTTP/1 is claimed only where a word is another protocol's. */
static __always_inline int infer_known(const struct turn *turn)
{
	const unsigned char *p = turn->first;
	int known;

	if (infer_is_upper(p[0]) &&
	    infer_is_printable(p[1])) { /* and not the length of a binary message, or its type */
		if (infer_preface(p, turn->len))
			return KNOWN_HTTP2;
		known = infer_capitals(turn);
		return known ? known : infer_amqp(turn) ? KNOWN_AMQP : KNOWN_NONE;
	}
	if (infer_is_lower(p[0]) && infer_memcached_text(turn))
		return KNOWN_MEMCACHED;
	known = infer_tls(turn);
	if (known)
		return known;
	if (infer_redis(turn))
		return KNOWN_REDIS;
	if (infer_mongodb(turn))
		return KNOWN_MONGODB;
	if (infer_memcached_binary(turn))
		return KNOWN_MEMCACHED;
	if (infer_postgresql(turn))
		return KNOWN_POSTGRESQL;
	if (infer_kafka(turn))
		return KNOWN_KAFKA;
	if (infer_amqp(turn))
		return KNOWN_AMQP;
	if (infer_mysql(turn))
		return KNOWN_MYSQL;
	if (infer_mqtt(turn))
		return KNOWN_MQTT;
	if (infer_dns_tcp(turn))
		return KNOWN_DNS;
	return KNOWN_NONE;
}

/* RFC 9000 17.2, RFC 9369: Initial, Retry, and version negotiation, which show who talks to whom, and which version. */
static __always_inline int infer_quic(const unsigned char *p, unsigned int total)
{
	unsigned int version = infer_be32(p + 1), type = p[0] >> 4 & 3;

	if (total < 15 || !(p[0] & 0x80) || p[5] > 20)
		return 0;
	if (!version)
		return 1;
	if (total < 23 || !(p[0] & 0x40))
		return 0;
	if (version == 0x6b3343cf) /* version 2 has its types moved by one */
		type = (type + 3) & 3;
	else if (version != 1 && version != 0xff00001d)
		return 0;
	return type == 0 || type == 3;
}

/* Whether a datagram of total bytes is one that user space parses. p points to INFER_BYTES bytes. */
static __always_inline int infer_datagram(const unsigned char *p, unsigned int total)
{
	if (total < 12)
		return 0;
	if (infer_dns(p, total))
		return total == 12 || infer_dns_name(p + 12, total - 12);
	return infer_quic(p, total);
}

#endif
