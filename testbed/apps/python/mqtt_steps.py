# SPDX-License-Identifier: Apache-2.0
"""Steps over MQTT 3.1.1 with paho. Argument: port."""

import sys
import time

import paho.mqtt.client as mqtt

from steps import serve, timed

client = mqtt.Client(client_id="steps")
arrived = 0


def count(*_):
    global arrived
    arrived += 1


client.on_message = count
client.connect("127.0.0.1", int(sys.argv[1]), keepalive=600)
client.loop_start()
while not client.is_connected():
    time.sleep(0.001)


def publish(n, qos, topic):
    return timed(n, lambda i: client.publish(topic, b"secret", qos=qos).wait_for_publish(10))


def subscribe(topic, qos):
    done = []
    client.on_subscribe = lambda *_: done.append(1)
    client.subscribe(topic, qos)
    while not done:
        time.sleep(0.001)


def await_messages(n):
    end = time.monotonic() + 30
    while arrived < n:
        assert time.monotonic() < end, f"{arrived} messages of {n}"
        time.sleep(0.001)


def close():
    client.disconnect()
    client.loop_stop()


serve(publish=publish, subscribe=subscribe, messages=await_messages, close=close)
