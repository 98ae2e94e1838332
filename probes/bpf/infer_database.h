// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The guesses of infer_known.h at databases and caches: PostgreSQL, MySQL, Redis, memcached, MongoDB; and NATS, whose verbs
 * stand in capital letters like the answers of memcached.
 */
#ifndef SONDE_INFER_DATABASE_H
#define SONDE_INFER_DATABASE_H

#include "infer_turn.h"

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

#endif
