# SPDX-License-Identifier: Apache-2.0
"""The shop's payment: a thread for each connection, and PostgreSQL through connections that the threads share.

Usage: payment.py HOST PORT POSTGRES_URL. POST /payments/N takes the money of order N, or answers 402 when N ends with 3;
GET /receipts/N shows what was paid. A column is named after the order, so that a test sees which query belongs to which.
"""

import queue
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg

CONNECTIONS = 30


class Payment(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    pool = queue.LifoQueue()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = re.fullmatch(r"/payments/(\d+)", self.path)
        if not found:
            return self.answer(404)
        number = int(found[1])
        self.sql(f"SELECT balance AS balance_{number} FROM accounts WHERE id = %s", number % 10)
        if number % 10 == 3:
            return self.answer(402)
        self.sql(f"INSERT INTO payments (number) VALUES (%s) RETURNING number AS paid_{number}", number)
        return self.answer(200)

    def do_GET(self):
        found = re.fullmatch(r"/receipts/(\d+)", self.path)
        if not found:
            return self.answer(404)
        self.sql(f"SELECT number AS receipt_{found[1]} FROM payments WHERE number = %s", int(found[1]))
        return self.answer(200)

    def sql(self, text, *values):
        conn = self.pool.get()
        try:
            conn.execute(text, values, prepare=False).fetchall()
        finally:
            self.pool.put(conn)

    def answer(self, status):
        body = b"{}\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


def main():
    host, port, url = sys.argv[1:]
    for _ in range(CONNECTIONS):
        Payment.pool.put(psycopg.connect(url, autocommit=True))
    server = Server((host, int(port)), Payment)
    print(f"listening {host}:{server.server_port}", flush=True)
    server.serve_forever()


main()
