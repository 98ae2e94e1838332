// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the first bytes of a turn look like, besides HTTP/1: protocols that user space has parsers for. A wrong claim costs
 * copied bytes, a missing one makes a connection invisible; so a claim needs a length that fits, or words that hardly
 * anything else begins with. Pure C without kernel headers, tested on the host (test/known_test.go).
 */
#ifndef SONDE_INFER_KNOWN_H
#define SONDE_INFER_KNOWN_H

#include "infer_turn.h"
#include "infer_database.h"

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
