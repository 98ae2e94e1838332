# SPDX-License-Identifier: Apache-2.0
"""A thread for each connection, whose work is done by the threads of a ThreadPoolExecutor.

Usage: pool.py HOST PORT UPSTREAM_URL. GET /jobs/N asks the upstream for /any/N. The executor starts its threads from the
thread of a request that finds none idle, and they then take the work of others, while that request still waits.
"""

import http.client
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

pool = ThreadPoolExecutor(8)
upstream = urlsplit(sys.argv[3]).netloc


def ask(path):
    conn = http.client.HTTPConnection(upstream)
    conn.request("GET", path)
    conn.getresponse().read()
    conn.close()


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        pool.submit(ask, "/any/" + self.path.removeprefix("/jobs/")).result()
        time.sleep(0.02)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Server)
print(f"listening {sys.argv[1]}:{server.server_port}", flush=True)
server.serve_forever()
