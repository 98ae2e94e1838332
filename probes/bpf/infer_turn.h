// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the guesses of infer_known.h and its parts share: the protocols, the first bytes of a turn, and ways to read them.
 */
#ifndef SONDE_INFER_TURN_H
#define SONDE_INFER_TURN_H

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

#endif
