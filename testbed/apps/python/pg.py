# SPDX-License-Identifier: Apache-2.0
"""Steps over PostgreSQL's protocol with psycopg 3. Argument: port."""

import sys

import psycopg

from steps import serve, timed

db = psycopg.connect(f"host=127.0.0.1 port={sys.argv[1]} user=postgres dbname=shop sslmode=disable gssencmode=disable",
                     autocommit=True)


def fails(sql):
    try:
        db.execute(sql)
    except psycopg.Error as e:
        return e.sqlstate
    raise SystemExit(sql + " did not fail")


def simple(n):
    cur = psycopg.ClientCursor(db)  # puts the parameters into the text: the simple protocol
    return timed(n, lambda i: cur.execute("SELECT name FROM items WHERE id = %s", (i,)).fetchall())


def extended(n):
    return timed(n, lambda i: db.execute("SELECT price FROM items WHERE id = %s", (i,), prepare=False).fetchall())


def prepared(n):
    return timed(n, lambda i: db.execute("UPDATE items SET price = price + 1 WHERE id = %s", (i,), prepare=True))


def pipelined(n):
    with db.pipeline():
        for i in range(n):
            db.execute("INSERT INTO orders (item) VALUES (%s)", (i,), prepare=False)


def transaction(n):
    for _ in range(n):
        with db.transaction():
            db.execute("DELETE FROM orders")


def copy(rows):
    with db.cursor() as cur:
        with cur.copy("COPY items (id, name, price) FROM STDIN") as c:
            for i in range(rows):
                c.write_row((100000 + i, "x" * 100, i))
        with cur.copy("COPY items TO STDOUT") as c:
            for _ in c:
                pass


def errors(n):
    for _ in range(n):
        assert fails("SELECT * FROM nowhere") == "42P01"
        assert fails("SELEC 1") == "42601"


serve(simple=simple, extended=extended, prepared=prepared, pipelined=pipelined, transaction=transaction, copy=copy, errors=errors)
