# SPDX-License-Identifier: Apache-2.0
"""Steps over memcached's text protocol, written out: nothing is sent that the step does not say. Argument: port."""

import socket
import sys

from steps import serve, timed

sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
answers = sock.makefile("rb")


def ask(request, end):
    """Sends a request and reads lines up to the one that ends its answer."""
    sock.sendall(request)
    while True:
        line = answers.readline()
        if line == end:
            return
        assert line, "closed"


def store(n):
    return timed(n, lambda i: ask(b"set key%d 0 0 5\r\nvalue\r\n" % i, b"STORED\r\n"))


def get(n):
    return timed(n, lambda i: ask(b"get key%d\r\n" % i, b"END\r\n"))


def multiget(n):
    for _ in range(n):
        ask(b"get key0 key1 key2 nothing\r\n", b"END\r\n")


def quiet(n):
    """noreply, all in one write, and a command behind them that has an answer."""
    ask(b"".join(b"set quiet 0 0 1 noreply\r\n%d\r\n" % (i % 10) for i in range(n)) + b"delete quiet\r\n", b"DELETED\r\n")


def pipelined(n):
    sock.sendall(b"incr counter 1\r\n" * n)
    for _ in range(n):
        assert answers.readline() == b"NOT_FOUND\r\n"


def large(size):
    ask(b"set large 0 0 %d\r\n" % size + b"x" * size + b"\r\n", b"STORED\r\n")
    ask(b"get large\r\n", b"END\r\n")


def errors(n):
    for _ in range(n):
        ask(b"nonsense\r\n", b"ERROR\r\n")
        ask(b"incr key0 1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n")


def meta(n):
    for _ in range(n):
        ask(b"mg key0 v\r\n", b"value\r\n")
        ask(b"mn\r\n", b"MN\r\n")


serve(store=store, get=get, multiget=multiget, quiet=quiet, pipelined=pipelined, large=large, errors=errors, meta=meta)
