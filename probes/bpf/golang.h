// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Where a Go program keeps its connections and streams: filled by user space, read by golang.bpf.c. Offsets in bytes. */
#ifndef SONDE_GOLANG_H
#define SONDE_GOLANG_H

#include <linux/types.h>

#define GO_NONE 0xffff /* this program does not have it */

/* An HTTP/2 server of net/http or golang.org/x/net. */
struct go_server {
	__u16 conn;   /* net.Conn in serverConn */
	__u16 state;  /* pointer to responseWriterState in responseWriter */
	__u16 stream; /* pointer to stream in that */
	__u16 id;     /* in stream */
};

/* One side of google.golang.org/grpc. */
struct go_stream {
	__u16 conn;	 /* net.Conn in the transport */
	__u16 inner;	 /* pointer to Stream in ServerStream or ClientStream; GO_NONE: it is part of it */
	__u16 id;	 /* in Stream */
	__u16 transport; /* clients: pointer to the transport in what NewStream returns */
};

struct go_layout {
	__u16 http_conn; /* net.Conn in net/http.persistConn */
	__u16 tcp_fd;	 /* pointer to netFD in net.TCPConn */
	__u16 sysfd;	 /* in netFD, as are */
	__u16 laddr;	 /* net.Addr */
	__u16 raddr;
	__u16 tcp_port; /* in net.TCPAddr */
	struct go_server http2;
	struct go_server xhttp2;
	struct go_stream grpc_server;
	struct go_stream grpc_client;
};

#endif
