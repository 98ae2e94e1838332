# SPDX-License-Identifier: Apache-2.0
"""Lines "METHOD PATH BODYBYTES" in, "METHOD PATH STATUS" out.

client.py http://HOST:PORT uses one keep-alive connection of http.client; with a second argument "urllib" each request is
a connection of its own, which is all urllib can do.
"""
import http.client
import sys
import urllib.error
import urllib.parse
import urllib.request


def keep_alive(base):
    url = urllib.parse.urlsplit(base)
    conn = http.client.HTTPConnection(url.hostname, url.port)

    def send(method, path, body):
        conn.request(method, path, body=b"b" * body if body else None)
        answer = conn.getresponse()
        answer.read()
        return answer.status
    return send


def one_each(base):
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args):
            return None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay)

    def send(method, path, body):
        request = urllib.request.Request(base + path, data=b"b" * body if body else None, method=method)
        try:
            with opener.open(request) as answer:
                answer.read()
                return answer.status
        except urllib.error.HTTPError as err:
            err.read()
            return err.code
    return send


send = one_each(sys.argv[1]) if sys.argv[2:] == ["urllib"] else keep_alive(sys.argv[1])
for line in sys.stdin:
    method, path, body = line.split()
    print(method, path, send(method, path, int(body)), flush=True)
