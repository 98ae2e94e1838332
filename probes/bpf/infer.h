// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the first bytes of a turn look like. Decides how much is copied, nothing else: user space parses and has the last
 * word. Pure C without kernel headers, so that the host compiles and tests it too (test/infer_test.c).
 */
#ifndef SONDE_INFER_H
#define SONDE_INFER_H

#define INFER_BYTES 16

static __always_inline int infer_is_upper(unsigned char c)
{
	return c >= 'A' && c <= 'Z';
}

/* RFC 9110 allows any token as a method; what is in use is upper case with '-' or '_' at most. */
static __always_inline int infer_is_method(unsigned char c)
{
	return infer_is_upper(c) || c == '-' || c == '_' || (c >= '0' && c <= '9');
}

static __always_inline int infer_is_target(unsigned char c)
{
	return c == '/' || c == ' ' /* more than one space: lenient servers take it */ || c == '*' ||
	       (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '[';
}

/* p points to INFER_BYTES bytes of which len (1..INFER_BYTES) are valid and the rest is zero. */
static __always_inline int infer_http(const unsigned char *p, unsigned int len)
{
	int i;

	/* "HTTP/1." or as much of it as there is; "HT" could become a method too, which MAYBE covers */
	if (p[0] == 'H' && (len < 2 || p[1] == 'T') && (len < 3 || p[2] == 'T') && (len < 4 || p[3] == 'P') &&
	    (len < 5 || p[4] == '/')) {
		if (len < 5)
			return GUESS_MAYBE;
		return len < 6 || p[5] == '1' ? GUESS_RESPONSE : GUESS_NONE;
	}
	if (p[0] == '\r' || p[0] == '\n') /* RFC 9112 2.2: empty lines before a request line */
		return GUESS_MAYBE;
	if (!infer_is_upper(p[0]))
		return GUESS_NONE;
	for (i = 1; i < INFER_BYTES; i++) {
		if (i >= (int)len)
			return GUESS_MAYBE;
		if (p[i] == ' ') {
			if (i + 1 >= (int)len)
				return GUESS_MAYBE;
			return infer_is_target(p[i + 1]) ? GUESS_REQUEST : GUESS_NONE;
		}
		if (!infer_is_method(p[i]))
			return GUESS_NONE;
	}
	return GUESS_MAYBE; /* longer methods are registered: BASELINE-CONTROL, UPDATEREDIRECTREF */
}

#define INFER_SCAN 256 /* bytes of a request turn that are searched for a second request */

/*
 * Whether a second request follows the first in the same bytes: then the answers to both may come in one segment, and more
 * of it has to be copied than one head. Looks at 8 bytes in steps of 6 for a line feed two bytes after another, which is
 * the empty line that ends a head. p has at least limit + 8 readable bytes; limit is a constant.
 */
static __always_inline int infer_pipelined(const unsigned char *p, unsigned int len, unsigned int limit)
{
	unsigned int i, next;

	for (i = 0; i + 8 <= limit; i += 6) {
		unsigned long long w, x, feeds, pair;

		if (i + 8 > len)
			return 0;
		__builtin_memcpy(&w, p + i, 8);
		x = w ^ 0x0a0a0a0a0a0a0a0aULL;
		feeds = (x - 0x0101010101010101ULL) & ~x & 0x8080808080808080ULL;
		pair = feeds & (feeds >> 16);
		if (!pair)
			continue;
		/*
		 * The multiplication gives the number of the lowest byte that is marked. Verifiers do not see through it, so
		 * that all ways out of the loop look the same to them: with a search for the byte instead, this function was
		 * nine tenths of what they had to follow.
		 */
		next = (i + (((pair & -pair) >> 7) * 0x0001020304050607ULL >> 56) + 3) & 0x1ff;
		return next < len && next < limit + 8 && infer_is_upper(p[next]);
	}
	return 0;
}

#endif
