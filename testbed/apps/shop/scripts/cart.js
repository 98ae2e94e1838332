// SPDX-License-Identifier: Apache-2.0

// The shop's cart: an HTTP server on Node's one event loop. For each cart it asks Redis, over one connection that all
// requests share, and then shipping for a quote. Usage: cart.js HOST PORT REDIS_PORT SHIPPING_URL
'use strict';
const http = require('http');
const net = require('net');

const [host, port, redisPort, shipping] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });

// redis speaks RESP: requests in order, answers in order. It knows bulk strings, which is all that GET returns.
const redis = net.connect(Number(redisPort), '127.0.0.1');
redis.setNoDelay(true);
const waiting = [];
let unread = Buffer.alloc(0);
redis.on('data', (chunk) => {
  unread = Buffer.concat([unread, chunk]);
  for (let end = unread.indexOf('\r\n'); end >= 0; end = unread.indexOf('\r\n')) {
    const length = Number(unread.toString('latin1', 1, end));
    const whole = length < 0 ? end + 2 : end + 2 + length + 2;
    if (unread.length < whole) return;
    const value = length < 0 ? null : unread.toString('utf8', end + 2, end + 2 + length);
    unread = unread.subarray(whole);
    waiting.shift()(value);
  }
});
redis.on('error', (err) => { throw err; });

function get(key) {
  return new Promise((resolve) => {
    waiting.push(resolve);
    redis.write(`*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`);
  });
}

function quote(number) {
  return new Promise((resolve, reject) => {
    http.get(`${shipping}/quotes/${number}`, { agent }, (res) => {
      res.resume();
      res.on('end', () => resolve(res.statusCode));
    }).on('error', reject);
  });
}

async function cart(number, res) {
  const goods = await get(`cart:${number}`);
  const status = await quote(number);
  res.writeHead(status === 200 ? 200 : 502, { 'Content-Type': 'application/json' });
  res.end(JSON.stringify({ number, goods }));
}

const server = http.createServer((req, res) => {
  const found = /^\/carts\/(\d+)$/.exec(req.url);
  if (!found) {
    res.writeHead(404).end();
    return;
  }
  req.resume();
  cart(found[1], res).catch((err) => res.writeHead(500).end(String(err)));
});
server.keepAliveTimeout = 120000;
server.listen(Number(port), host, 511, () => console.log(`listening ${host}:${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
