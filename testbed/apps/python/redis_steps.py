# SPDX-License-Identifier: Apache-2.0
"""Steps over RESP with redis-py. Argument: port."""

import sys

import redis

from steps import serve, timed

db = redis.Redis(port=int(sys.argv[1]), single_connection_client=True)


def transaction(n):
    for _ in range(n):
        p = db.pipeline(transaction=True)
        p.incr("counter").expire("counter", 100)
        p.execute()


def errors(n):
    db.set("text", "x")
    for _ in range(n):
        try:
            db.lpush("text", "secret")
            raise SystemExit("LPUSH of a string did not fail")
        except redis.ResponseError:
            pass


def large(size):
    db.set("large", b"x" * size)
    assert len(db.get("large")) == size


serve(set=lambda n: timed(n, lambda i: db.set("key", "secret")), get=lambda n: timed(n, lambda i: db.get("key")),
      transaction=transaction, errors=errors, large=large, close=db.close)
