// SPDX-License-Identifier: Apache-2.0
// Lines "METHOD PATH BODYBYTES" in, "METHOD PATH STATUS" out, one keep-alive connection: node client.js http://HOST:PORT
'use strict';
const http = require('http');
const readline = require('readline');

const base = new URL(process.argv[2]);
const agent = new http.Agent({keepAlive: true, maxSockets: 1});

function send(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = body > 0 ? {'Content-Length': body} : {};
    const host = base.hostname.replace(/[[\]]/g, '');
    const req = http.request({agent, host, port: base.port, method, path, headers}, (res) => {
      res.on('data', () => {});
      res.on('end', () => resolve(res.statusCode));
      res.on('error', reject);
    });
    req.on('error', reject);
    if (body > 0) req.write('b'.repeat(body));
    req.end();
  });
}

(async () => {
  for await (const line of readline.createInterface({input: process.stdin})) {
    const [method, path, body] = line.split(' ');
    console.log(method, path, await send(method, path, Number(body)));
  }
  process.exit(0);
})().catch((err) => { console.error(err.message); process.exit(1); });
