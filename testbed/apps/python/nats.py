# SPDX-License-Identifier: Apache-2.0
"""Steps over the client protocol of NATS, written out: nothing is sent that the step does not say. Argument: port."""

import socket
import sys

from steps import serve, timed


class Conn:
    def __init__(self, options=b"{}"):
        self.sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = self.sock.makefile("rb")
        assert self.lines.readline().startswith(b"INFO ")
        self.sock.sendall(b"CONNECT " + options + b"\r\n")
        self.ping()

    def ping(self, *_):
        self.sock.sendall(b"PING\r\n")
        assert self.read() == b"PONG"

    def read(self):
        """The next line; of a message its subject, of a request its reply subject."""
        line = self.lines.readline().rstrip()
        if line == b"PING":  # the server measures its way to a new client
            self.sock.sendall(b"PONG\r\n")
            return self.read()
        if not line.startswith(b"MSG "):
            return line
        words = line.split()
        self.lines.read(int(words[-1]) + 2)
        return words[3] if len(words) == 5 else words[1]


client, service = Conn(b'{"verbose":false,"name":"client"}'), Conn(b'{"verbose":false,"name":"service"}')


def serve_requests():
    service.sock.sendall(b"SUB shop.price workers 1\r\n")
    service.ping()
    client.sock.sendall(b"SUB _INBOX.client.* 2\r\n")
    client.ping()


def request(n):
    def one(i):
        client.sock.sendall(b"PUB shop.price _INBOX.client.%d 6\r\nsecret\r\n" % i)
        reply = service.read()
        service.sock.sendall(b"PUB %s 2\r\n42\r\n" % reply)
        assert client.read() == b"_INBOX.client.%d" % i
    return timed(n, one)


def publish(n):
    client.sock.sendall(b"PUB shop.orders 5\r\nvalue\r\n" * n)
    client.ping()


def consume(n):
    service.sock.sendall(b"SUB shop.orders 3\r\n")
    service.ping()
    publish(n)
    for _ in range(n):
        assert service.read() == b"shop.orders"


def error():
    client.sock.sendall(b"NONSENSE\r\n")
    assert client.read().startswith(b"-ERR 'Unknown Protocol")


serve(ping=lambda n: timed(n, client.ping), serve=serve_requests, request=request, publish=publish, consume=consume, error=error)
