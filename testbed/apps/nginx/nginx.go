// SPDX-License-Identifier: Apache-2.0

// Package nginx writes the configuration that gives nginx the routes of the testbed.
//
// It does not start nginx: package apps does. Delays and echoes come from the echo module, which Debian's nginx-light brings.
package nginx

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Config says what to write. The zero value of every field but Dir and Listen is usable.
type Config struct {
	Dir       string // holds the configuration, logs and files; must exist
	Listen    string // "127.0.0.1:8080", "[::1]:8080"
	Workers   int    // 0 means 1
	HTTP2     bool   // nothing but HTTP/2: without TLS nginx 1.22 does not tell them apart
	AccessLog bool   // write Dir/access.log, one "METHOD URI STATUS" a request
	BigFile   int64  // bytes of /big, a sparse file sent by sendfile; 0 leaves it out
}

// Sizes are the bodies that /bytes/N and /chunked/N offer, Delays the milliseconds of /sleep/MS, Statuses the codes of
// /status/NNN: nginx takes none of them from the path.
var (
	Sizes    = []int{1, 10, 100, 1000, 1024, 10000, 100000, 1 << 20}
	Delays   = []int{1, 5, 10, 20, 50, 100, 200, 500, 1000, 2000}
	Statuses = []int{200, 201, 202, 204, 301, 302, 304, 400, 401, 403, 404, 409, 410, 418, 429, 500, 502, 503, 504}
)

// modulePath is where Debian puts dynamic modules.
const modulePath = "/usr/lib/nginx/modules/ngx_http_echo_module.so"

// Write puts nginx.conf and the files it serves into c.Dir and returns the path of the configuration.
func Write(c Config) (string, error) {
	if err := writeFiles(c); err != nil {
		return "", fmt.Errorf("write nginx files: %w", err)
	}
	conf := filepath.Join(c.Dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(render(c)), 0o644); err != nil {
		return "", fmt.Errorf("write nginx configuration: %w", err)
	}
	return conf, nil
}

func writeFiles(c Config) error {
	if err := os.MkdirAll(filepath.Join(c.Dir, "bytes"), 0o755); err != nil {
		return err
	}
	for _, n := range Sizes {
		name := filepath.Join(c.Dir, "bytes", fmt.Sprint(n))
		if err := os.WriteFile(name, []byte(strings.Repeat("x", n)), 0o644); err != nil {
			return err
		}
	}
	if c.BigFile == 0 {
		return nil
	}
	f, err := os.Create(filepath.Join(c.Dir, "big"))
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(c.BigFile)
}

// frame is the configuration around the locations. One connection serves any number of requests, because the tests decide
// when connections end.
const frame = `# SPDX-License-Identifier: Apache-2.0
load_module %[1]s;
user root;
daemon off;
worker_processes %[2]d;
worker_rlimit_nofile 20000;
pid %[3]s/nginx.pid;
error_log %[3]s/error.log emerg;
events { worker_connections 20000; }
http {
	log_format exchange '$request_method $request_uri $status';
	access_log %[4]s;
	client_body_temp_path %[3]s/body;
	proxy_temp_path %[3]s/proxy;
	fastcgi_temp_path %[3]s/fastcgi;
	uwsgi_temp_path %[3]s/uwsgi;
	scgi_temp_path %[3]s/scgi;
	default_type text/plain;
	sendfile on;
	tcp_nodelay on;
	keepalive_timeout 120s;
	keepalive_requests 1000000000;
	server {
		listen %[5]s backlog=4096%[7]s;
		root %[3]s;
		server_name _;
%[6]s	}
}
`

func render(c Config) string {
	log := "off"
	if c.AccessLog {
		log = filepath.Join(c.Dir, "access.log") + " exchange"
	}
	http2 := ""
	if c.HTTP2 {
		http2 = " http2"
	}
	return fmt.Sprintf(frame, modulePath, max(1, c.Workers), c.Dir, log, c.Listen, locations(), http2)
}

func locations() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "\t\t"+format+"\n", args...) }
	line(`location = /ok { return 200 "ok\n"; }`)
	line(`location /any/ { return 200 "ok\n"; }`)
	line(`location /bytes/ { }`)
	line(`location = /big { }`)
	line(`location = /echo { client_max_body_size 64m; echo_read_request_body; echo $content_length; }`)
	line(`location = /count { stub_status; access_log off; }`)
	for _, code := range Statuses {
		if code == 301 || code == 302 {
			line(`location = /status/%d { return %d /ok; }`, code, code)
			continue
		}
		line(`location = /status/%d { return %d "%d\n"; }`, code, code, code)
	}
	for _, ms := range Delays {
		line(`location = /sleep/%d { echo_sleep %.3f; echo ok; }`, ms, float64(ms)/1000)
	}
	for _, n := range Sizes {
		line(`location = /chunked/%d { echo_duplicate %d c; }`, n, n)
	}
	line(`location / { return 404 "not found\n"; }`)
	return b.String()
}
