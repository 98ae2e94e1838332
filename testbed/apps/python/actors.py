# SPDX-License-Identifier: Apache-2.0
"""A server whose connections change hands: actors.py MODE HOST PORT

Each answer's body is the pid of the process that read the request and wrote the answer.
prefork: two workers accept on a socket opened by their parent.
forkeach: the parent accepts, a child forked for each connection answers.
dup: the accepted descriptor is duplicated and closed before use.
scm: one process accepts and hands the descriptor to another by SCM_RIGHTS.
"""
import os
import signal
import socket
import sys
import threading


def serve(conn):
    pending = b""
    while True:
        while b"\r\n\r\n" not in pending:
            got = conn.recv(65536)
            if not got:
                conn.close()
                return
            pending += got
        _, pending = pending.split(b"\r\n\r\n", 1)
        body = b"%d\n" % os.getpid()
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def accept_forever(listener, use):
    while True:
        conn, _ = listener.accept()
        use(conn)


def threaded(conn):
    threading.Thread(target=serve, args=(conn,), daemon=True).start()


def fork_each(conn):
    if os.fork() == 0:
        serve(conn)
        os._exit(0)
    conn.close()


def duplicated(conn):
    copy = conn.dup()
    conn.close()
    threaded(copy)


def hand_over(listener):
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.fork() == 0:
        listener.close()
        while True:
            _, fds, _, _ = socket.recv_fds(there, 1, 1)
            threaded(socket.socket(fileno=fds[0]))

    def use(conn):
        socket.send_fds(here, [b"x"], [conn.fileno()])
        conn.close()
    return use


def main():
    mode, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    os.setpgid(0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=128)
    workers = 0
    use = {"prefork": threaded, "forkeach": fork_each, "dup": duplicated}.get(mode)
    if mode == "scm":
        use = hand_over(listener)
    if mode == "prefork":
        workers = 2
    for _ in range(workers):
        if os.fork() == 0:
            accept_forever(listener, use)
    print("listening %s:%d" % (host, listener.getsockname()[1]), flush=True)
    if workers:
        signal.pause()
    accept_forever(listener, use)


main()
