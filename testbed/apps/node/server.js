// SPDX-License-Identifier: Apache-2.0
// The routes of the testbed on Node's http module: node server.js HOST PORT
'use strict';
const http = require('http');

function text(res, code, body) {
  const bare = code === 204 || code === 304;
  res.writeHead(code, bare ? {} : {'Content-Type': 'text/plain', 'Content-Length': Buffer.byteLength(body)});
  res.end(bare ? undefined : body);
}

function chunked(res, n) {
  res.writeHead(200, {'Content-Type': 'text/plain'});
  for (; n > 0; n -= 1000) res.write('c'.repeat(Math.min(n, 1000)));
  res.end();
}

function echo(req, res) {
  let n = 0;
  req.on('data', (piece) => { n += piece.length; });
  req.on('end', () => text(res, 200, n + '\n'));
}

const server = http.createServer((req, res) => {
  const [, route, arg] = req.url.split('?')[0].split('/');
  switch (route) {
    case 'ok': case 'any': return text(res, 200, 'ok\n');
    case 'status': return text(res, Number(arg), arg + '\n');
    case 'sleep': return void setTimeout(() => text(res, 200, 'ok\n'), Number(arg));
    case 'bytes': return text(res, 200, 'x'.repeat(Number(arg)));
    case 'chunked': return chunked(res, Number(arg));
    case 'echo': return echo(req, res);
    default: return text(res, 404, 'not found\n');
  }
});
// Longer than any test keeps a connection idle: the tests decide when connections end.
server.keepAliveTimeout = 120000;
const [host, port] = process.argv.slice(2);
server.listen({host, port: Number(port), backlog: 1024}, () => {
  const a = server.address();
  console.log('listening ' + (a.family === 'IPv6' ? `[${a.address}]` : a.address) + ':' + a.port);
});
process.on('SIGTERM', () => process.exit(0));
