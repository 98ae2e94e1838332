# SPDX-License-Identifier: Apache-2.0
"""The routes of the testbed as an ASGI application on uvicorn: asgi.py HOST PORT"""
import asyncio
import sys

import uvicorn


async def read_body(receive):
    n, more = 0, True
    while more:
        message = await receive()
        n += len(message.get("body", b""))
        more = message.get("more_body", False)
    return n


async def answer(send, code, body=b""):
    bare = code in (204, 304)
    headers = [] if bare else [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if bare else body})


async def chunked(send, n):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while n > 0:
        await send({"type": "http.response.body", "body": b"c" * min(n, 1000), "more_body": True})
        n -= 1000
    await send({"type": "http.response.body", "body": b""})


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    n = await read_body(receive)
    parts = scope["path"].split("/")
    name, arg = parts[1], parts[2] if len(parts) > 2 else ""
    if name in ("ok", "any"):
        await answer(send, 200, b"ok\n")
    elif name == "status":
        await answer(send, int(arg), arg.encode() + b"\n")
    elif name == "sleep":
        await asyncio.sleep(int(arg) / 1000)
        await answer(send, 200, b"ok\n")
    elif name == "bytes":
        await answer(send, 200, b"x" * int(arg))
    elif name == "chunked":
        await chunked(send, int(arg))
    elif name == "echo":
        await answer(send, 200, b"%d\n" % n)
    else:
        await answer(send, 404, b"not found\n")


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        name = self.servers[0].sockets[0].getsockname()
        host = "[%s]" % name[0] if ":" in name[0] else name[0]
        print("listening %s:%d" % (host, name[1]), flush=True)


Server(uvicorn.Config(app, host=sys.argv[1], port=int(sys.argv[2]), log_level="critical", access_log=False,
                      lifespan="off", timeout_keep_alive=120)).run()
