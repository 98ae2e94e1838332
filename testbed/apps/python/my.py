# SPDX-License-Identifier: Apache-2.0
"""Steps over MariaDB's protocol with PyMySQL, statements as text. Argument: port."""

import sys

import pymysql
from pymysql.constants import CLIENT

from steps import serve, timed

db = pymysql.connect(host="127.0.0.1", port=int(sys.argv[1]), user="app", database="shop", autocommit=True,
                     client_flag=CLIENT.MULTI_STATEMENTS)


def query(sql, args=None):
    with db.cursor() as cur:
        cur.execute(sql, args)
        rows = list(cur.fetchall())
        while cur.nextset():
            rows += cur.fetchall()
        return rows


def selects(n):
    return timed(n, lambda i: query("SELECT name FROM items WHERE id = %s", (i,)))


def multi(n):
    for _ in range(n):
        assert query("SELECT 1; SELECT 2") == [(1,), (2,)]


def errors(n):
    for _ in range(n):
        for sql, number in (("SELECT * FROM nowhere", 1146), ("SELEC 1", 1064)):
            try:
                query(sql)
                raise SystemExit(sql + " did not fail")
            except pymysql.Error as e:
                assert e.args[0] == number


def large(rows):
    assert len(query("SELECT REPEAT('x', 200) FROM seq_1_to_%d" % rows)) == rows


def ping(n):
    for _ in range(n):
        db.ping(reconnect=False)


def close():
    db.close()


serve(selects=selects, multi=multi, errors=errors, large=large, ping=ping, close=close,
      insert=lambda n: timed(n, lambda i: query("INSERT INTO orders VALUES (%s)", (i,))))
