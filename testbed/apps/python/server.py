# SPDX-License-Identifier: Apache-2.0
"""The routes of the testbed on http.server with a thread per connection: server.py HOST PORT"""
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Routes(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The head and the body are two writes; without this the second waits for a delayed acknowledgement.
    disable_nagle_algorithm = True

    def answer(self, code, body=b""):
        self.send_response(code)
        if code not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and code not in (204, 304):
            self.wfile.write(body)

    def chunked(self, n):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while n > 0:
            piece = b"c" * min(n, 1000)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            n -= len(piece)
        self.wfile.write(b"0\r\n\r\n")

    def route(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = self.path.split("?")[0].split("/")
        name, arg = parts[1], parts[2] if len(parts) > 2 else ""
        if name in ("ok", "any"):
            self.answer(200, b"ok\n")
        elif name == "status":
            self.answer(int(arg), arg.encode() + b"\n")
        elif name == "sleep":
            time.sleep(int(arg) / 1000)
            self.answer(200, b"ok\n")
        elif name == "bytes":
            self.answer(200, b"x" * int(arg))
        elif name == "chunked":
            self.chunked(int(arg))
        elif name == "echo":
            self.answer(200, b"%d\n" % len(body))
        else:
            self.answer(404, b"not found\n")

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = route

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, request, client_address):
        pass  # clients that leave are part of the tests


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    Server.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = Server((host, port), Routes)
    shown = "[%s]" % host if ":" in host else host
    print("listening %s:%d" % (shown, server.server_address[1]), flush=True)
    server.serve_forever()


main()
