// SPDX-License-Identifier: Apache-2.0

// An HTTP server on Node's one event loop that answers first and works then. Usage: later.js HOST PORT UPSTREAM_URL.
// GET /jobs/N asks the upstream for /any/N two milliseconds after it was answered, while others are being served.
'use strict';
const http = require('http');
const [host, port, upstream] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true });

const server = http.createServer((req, res) => {
  const number = req.url.slice('/jobs/'.length);
  setTimeout(() => {
    res.end();
    setTimeout(() => http.get(`${upstream}/any/${number}`, { agent }, (up) => up.resume()), 2);
  }, 5);
});
server.listen(Number(port), host, 511, () => console.log(`listening ${host}:${server.address().port}`));
