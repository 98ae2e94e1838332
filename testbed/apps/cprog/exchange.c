// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/1.1 exchanges over whatever call Linux offers to move bytes through a socket.
 *
 *	exchange server MODE HOST PORT		answers every request with 200 and BODY bytes, one thread a connection
 *	exchange client MODE HOST PORT		reads "METHOD PATH BODYBYTES" lines, prints "METHOD PATH STATUS" lines
 *
 * MODE chooses the calls: read, send, readv, msg, mmsg, sendfile, splice, zerocopy, peek, iouring.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif
#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif

enum {
	BODY = 20000,
	BUF = 1 << 16,
	RING_ENTRIES = 4
};

static void die(const char *what)
{
	fprintf(stderr, "exchange: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* One submission at a time: the ring is there for the path through the kernel, not for speed. */
struct ring {
	int fd;
	unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static void ring_open(struct ring *r)
{
	struct io_uring_params p = { 0 };
	char *sq, *cq;

	r->fd = syscall(SYS_io_uring_setup, RING_ENTRIES, &p);
	if (r->fd < 0)
		die("io_uring_setup");
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		  IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(*r->cqes), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		  IORING_OFF_CQ_RING);
	r->sqes =
		mmap(NULL, p.sq_entries * sizeof(*r->sqes), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || r->sqes == MAP_FAILED)
		die("map ring");
	r->sq_tail = (unsigned *)(sq + p.sq_off.tail);
	r->sq_mask = (unsigned *)(sq + p.sq_off.ring_mask);
	r->sq_array = (unsigned *)(sq + p.sq_off.array);
	r->cq_head = (unsigned *)(cq + p.cq_off.head);
	r->cq_tail = (unsigned *)(cq + p.cq_off.tail);
	r->cq_mask = (unsigned *)(cq + p.cq_off.ring_mask);
	r->cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
}

static ssize_t ring_do(struct ring *r, int op, int fd, void *buf, size_t n)
{
	unsigned tail = *r->sq_tail, i = tail & *r->sq_mask, head;
	ssize_t res;

	memset(&r->sqes[i], 0, sizeof(r->sqes[i]));
	r->sqes[i].opcode = op;
	r->sqes[i].fd = fd;
	r->sqes[i].addr = (unsigned long)buf;
	r->sqes[i].len = n;
	r->sq_array[i] = i;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
	while (syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		if (errno != EINTR)
			die("io_uring_enter");
	head = *r->cq_head;
	while (head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE))
		;
	res = r->cqes[head & *r->cq_mask].res;
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	if (res < 0) {
		errno = -res;
		return -1;
	}
	return res;
}

struct chan {
	int fd, pipe[2];
	const char *mode;
	struct ring ring;
	char in[BUF + 1];
	size_t have;
};

static int is(const struct chan *c, const char *mode)
{
	return strcmp(c->mode, mode) == 0;
}

static void chan_open(struct chan *c, int fd, const char *mode)
{
	int one = 1;

	memset(c, 0, sizeof(*c));
	c->fd = fd;
	c->mode = mode;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (is(c, "splice") && pipe(c->pipe) < 0)
		die("pipe");
	if (is(c, "zerocopy") && setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) < 0)
		die("SO_ZEROCOPY");
	if (is(c, "iouring"))
		ring_open(&c->ring);
}

static ssize_t rx_parts(struct chan *c, char *buf, size_t n)
{
	size_t half = n > 1 ? n / 2 : 1;
	struct iovec v[2] = { { buf, half > 7 ? 7 : half },
			      { buf + (half > 7 ? 7 : half), n - (half > 7 ? 7 : half) } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	struct mmsghdr mm = { .msg_hdr = m };

	if (is(c, "readv"))
		return readv(c->fd, v, 2);
	if (is(c, "msg"))
		return recvmsg(c->fd, &m, 0);
	if (recvmmsg(c->fd, &mm, 1, 0, NULL) < 0)
		return -1;
	return mm.msg_len;
}

static ssize_t rx(struct chan *c, char *buf, size_t n)
{
	if (is(c, "readv") || is(c, "msg") || is(c, "mmsg"))
		return rx_parts(c, buf, n);
	if (is(c, "send") || is(c, "zerocopy") || is(c, "sendfile"))
		return recv(c->fd, buf, n, 0);
	if (is(c, "peek")) {
		if (recv(c->fd, buf, n, MSG_PEEK) < 0 || recv(c->fd, buf, 1, MSG_PEEK) < 0)
			return -1;
		return recv(c->fd, buf, n, 0);
	}
	if (is(c, "splice")) {
		ssize_t got = splice(c->fd, NULL, c->pipe[1], NULL, n, SPLICE_F_MOVE);
		return got <= 0 ? got : read(c->pipe[0], buf, got);
	}
	if (is(c, "iouring"))
		return ring_do(&c->ring, IORING_OP_RECV, c->fd, buf, n);
	return read(c->fd, buf, n);
}

/* The kernel may still read the pages until it says so on the error queue. */
static void zerocopy_wait(int fd)
{
	char control[128];
	struct msghdr m = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct pollfd p = { .fd = fd };

	while (recvmsg(fd, &m, MSG_ERRQUEUE) < 0 && errno == EAGAIN)
		poll(&p, 1, 1000);
}

static ssize_t tx_file(struct chan *c, const char *buf, size_t n)
{
	int file = memfd_create("body", 0);
	off_t at = 0;
	ssize_t sent;

	if (file < 0 || write(file, buf, n) != (ssize_t)n)
		die("memfd");
	sent = sendfile(c->fd, file, &at, n);
	close(file);
	return sent;
}

static ssize_t tx_parts(struct chan *c, const char *buf, size_t n)
{
	size_t cut = n > 3 ? 3 : n - 1;
	struct iovec v[2] = { { (void *)buf, cut }, { (void *)(buf + cut), n - cut } };
	struct mmsghdr mm[2] = { { .msg_hdr = { .msg_iov = &v[0], .msg_iovlen = 1 } },
				 { .msg_hdr = { .msg_iov = &v[1], .msg_iovlen = 1 } } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	int done;

	if (is(c, "readv"))
		return writev(c->fd, v, 2);
	if (is(c, "msg"))
		return sendmsg(c->fd, &m, MSG_NOSIGNAL);
	done = sendmmsg(c->fd, mm, 2, MSG_NOSIGNAL);
	if (done < 0)
		return -1;
	return mm[0].msg_len + (done > 1 ? mm[1].msg_len : 0);
}

static ssize_t tx(struct chan *c, const char *buf, size_t n)
{
	ssize_t sent;

	if (n > 1 && (is(c, "readv") || is(c, "msg") || is(c, "mmsg")))
		return tx_parts(c, buf, n);
	if (is(c, "sendfile"))
		return tx_file(c, buf, n);
	if (is(c, "zerocopy")) {
		sent = send(c->fd, buf, n, MSG_ZEROCOPY | MSG_NOSIGNAL);
		if (sent > 0)
			zerocopy_wait(c->fd);
		return sent;
	}
	if (is(c, "splice")) {
		ssize_t put = write(c->pipe[1], buf, n > 4096 ? 4096 : n);
		return put <= 0 ? put : splice(c->pipe[0], NULL, c->fd, NULL, put, SPLICE_F_MOVE);
	}
	if (is(c, "iouring"))
		return ring_do(&c->ring, IORING_OP_SEND, c->fd, (void *)buf, n);
	if (is(c, "send") || is(c, "peek"))
		return send(c->fd, buf, n, MSG_NOSIGNAL);
	return write(c->fd, buf, n);
}

static int tx_all(struct chan *c, const char *buf, size_t n)
{
	while (n > 0) {
		ssize_t sent = tx(c, buf, n);

		if (sent <= 0)
			return -1;
		buf += sent;
		n -= sent;
	}
	return 0;
}

/* Reads one message, head and body; the head stays in c->in, terminated. Returns its length, 0 at the end, -1 on error. */
static ssize_t message(struct chan *c, char *head, size_t size)
{
	char *end, *field;
	size_t head_len, body = 0;
	ssize_t got;

	while (!(end = memmem(c->in, c->have, "\r\n\r\n", 4))) {
		got = rx(c, c->in + c->have, BUF - c->have);
		if (got <= 0)
			return got;
		c->have += got;
	}
	head_len = end + 4 - c->in;
	if (head_len >= size)
		return -1;
	memcpy(head, c->in, head_len);
	head[head_len] = 0;
	field = strcasestr(head, "\r\nContent-Length:");
	if (field)
		body = strtoul(field + 17, NULL, 10);
	memmove(c->in, c->in + head_len, c->have -= head_len);
	while (body > 0) {
		size_t n = c->have < body ? c->have : body;

		memmove(c->in, c->in + n, c->have -= n);
		body -= n;
		if (body == 0)
			break;
		got = rx(c, c->in, BUF);
		if (got <= 0)
			return -1;
		c->have = got;
	}
	return head_len;
}

struct accepted {
	int fd;
	const char *mode;
};

static void *serve(void *arg)
{
	static const char format[] = "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n";
	struct accepted a = *(struct accepted *)arg;
	struct chan *c = malloc(sizeof(*c));
	char head[8192], *answer = malloc(BODY + 128);
	int n;

	free(arg);
	chan_open(c, a.fd, a.mode);
	while (message(c, head, sizeof(head)) > 0) {
		n = sprintf(answer, format, BODY);
		memset(answer + n, 'x', BODY);
		if (tx_all(c, answer, n + BODY) < 0)
			break;
	}
	close(a.fd);
	if (c->pipe[1]) {
		close(c->pipe[0]);
		close(c->pipe[1]);
	}
	free(answer);
	free(c);
	return NULL;
}

static socklen_t address(struct sockaddr_storage *to, const char *host, int port)
{
	struct sockaddr_in *v4 = (void *)to;
	struct sockaddr_in6 *v6 = (void *)to;

	memset(to, 0, sizeof(*to));
	if (strchr(host, ':')) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		inet_pton(AF_INET6, host, &v6->sin6_addr);
		return sizeof(*v6);
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons(port);
	inet_pton(AF_INET, host, &v4->sin_addr);
	return sizeof(*v4);
}

static void server(const char *mode, const char *host, int port)
{
	struct sockaddr_storage a;
	socklen_t len = address(&a, host, port);
	int one = 1, fd = socket(a.ss_family, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&a, len) < 0 || listen(fd, 128) < 0)
		die("listen");
	printf(strchr(host, ':') ? "listening [%s]:%d\n" : "listening %s:%d\n", host, port);
	fflush(stdout);
	for (;;) {
		struct accepted *c = malloc(sizeof(*c));
		pthread_t t;

		c->fd = accept(fd, NULL, NULL);
		c->mode = mode;
		if (c->fd < 0)
			die("accept");
		pthread_create(&t, NULL, serve, c);
		pthread_detach(t);
	}
}

static void client(const char *mode, const char *host, int port)
{
	struct sockaddr_storage a;
	socklen_t len = address(&a, host, port);
	int body, status, fd = socket(a.ss_family, SOCK_STREAM, 0);
	char method[32], path[4096], head[8192], *out = malloc(1 << 20);
	struct chan *c = malloc(sizeof(*c));

	if (connect(fd, (void *)&a, len) < 0)
		die("connect");
	chan_open(c, fd, mode);
	while (scanf("%31s %4095s %d", method, path, &body) == 3) {
		size_t n = sprintf(out, "%s %s HTTP/1.1\r\nHost: testbed\r\nContent-Length: %d\r\n\r\n", method, path,
				   body);

		memset(out + n, 'b', body);
		if (tx_all(c, out, n + body) < 0 || message(c, head, sizeof(head)) <= 0)
			die("exchange");
		if (sscanf(head, "HTTP/1.1 %d", &status) != 1)
			die("status line");
		printf("%s %s %d\n", method, path, status);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc != 5) {
		fprintf(stderr, "usage: exchange server|client MODE HOST PORT\n");
		return 2;
	}
	if (strcmp(argv[1], "server") == 0)
		server(argv[2], argv[3], atoi(argv[4]));
	client(argv[2], argv[3], atoi(argv[4]));
	return 0;
}
