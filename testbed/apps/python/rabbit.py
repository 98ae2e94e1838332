# SPDX-License-Identifier: Apache-2.0
"""Steps over AMQP 0-9-1 with pika. Argument: port."""

import sys

import pika

from steps import serve, timed

conn = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(sys.argv[1]), heartbeat=0))
plain, sure = conn.channel(), conn.channel()


def declare():
    sure.confirm_delivery()
    plain.queue_declare("orders")


def publish(n):
    for _ in range(n):
        plain.basic_publish("", "orders", b"secret")


def confirmed(n):
    return timed(n, lambda i: sure.basic_publish("", "orders", b"secret" * 100))


def get(n):
    def one(i):
        method, _, _ = plain.basic_get("orders", auto_ack=True)
        assert method
    return timed(n, one)


def consume(n):
    for method, _, _ in plain.consume("orders"):
        plain.basic_ack(method.delivery_tag)
        n -= 1
        if n == 0:
            break
    plain.cancel()


def empty():
    assert plain.basic_get("orders")[0] is None


def missing():
    try:
        sure.queue_declare("nowhere", passive=True)
    except pika.exceptions.ChannelClosedByBroker as e:
        assert e.reply_code == 404


serve(declare=declare, publish=publish, confirmed=confirmed, get=get, consume=consume, empty=empty, missing=missing, close=conn.close)
