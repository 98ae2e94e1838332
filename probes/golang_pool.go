// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"sonde/probes/symbols"
)

// goPools are functions that start goroutines which work for many requests: what such a goroutine does is not caused by what
// the one that happened to start it was doing. A name ends where names of its closures and of the compiler's wrappers go on
// ("net/http.(*Transport).dialConn.gowrap1"), because that is what a go statement runs; or it is a whole package.
var goPools = []string{
	// A connection is made for one request, and then serves others: its loops, and who dials it for whoever comes first.
	"net/http.(*Transport).dialConn.", // readLoop, writeLoop
	"net/http.(*Transport).dialConnFor",
	"net/http.(*Transport).startDialConnForLocked.",
	"net/http.(*Transport).queueForDial.",
	"net/http.(*Transport).decConnsPerHost.",
	"net/http.(*http2Transport).newClientConn.",
	"net/http.(*http2clientConnPool).",
	"net/http/internal/http2.(*Transport).newClientConn.",
	"net/http/internal/http2.(*clientConnPool).",
	"golang.org/x/net/http2.(*Transport).newClientConn.",
	"golang.org/x/net/http2.(*clientConnPool).",
	"google.golang.org/grpc/internal/transport.NewHTTP2Client.", // reader, loopyWriter, keepalive
	"google.golang.org/grpc/internal/transport.newHTTP2Client.", // the same before 1.60
	// Servers: one goroutine reads a connection for all of its streams. Those that serve one stream are not here.
	"net/http.(*Server).Serve.",
	"net/http.(*http2serverConn).serve.",          // readFrames
	"net/http.(*http2serverConn).startFrameWrite", // writes for any stream
	"net/http/internal/http2.(*serverConn).serve.",
	"net/http/internal/http2.(*serverConn).startFrameWrite",
	"golang.org/x/net/http2.(*serverConn).serve.",
	"golang.org/x/net/http2.(*serverConn).startFrameWrite",
	"google.golang.org/grpc/internal/transport.NewServerTransport.", // loopyWriter, keepalive
	"google.golang.org/grpc.(*Server).initServerWorkers.",
	"google.golang.org/grpc.(*Server).serverWorker",
	"google.golang.org/grpc.(*Server).Serve.",
	"google.golang.org/grpc.(*Server).handleRawConn.",
	// gRPC's balancers and resolvers connect on behalf of a channel, whoever's call woke them.
	"google.golang.org/grpc.(*addrConn).",
	"google.golang.org/grpc.(*acBalancerWrapper).",
	"google.golang.org/grpc.(*ccBalancerWrapper).",
	"google.golang.org/grpc.(*ccResolverWrapper).",
	"google.golang.org/grpc/internal/grpcsync.",
	"google.golang.org/grpc/internal/resolver/",
	"google.golang.org/grpc/balancer/",
	// Pools of connections: opened, checked and cleaned in the background.
	"database/sql.OpenDB.", // connectionOpener
	"database/sql.(*DB).",  // connectionCleaner, and the opener's helpers
	"github.com/jackc/pgx/v5/pgxpool.",
	"github.com/jackc/pgx/v4/pgxpool.",
	"github.com/jackc/puddle",
	"github.com/redis/go-redis/v9/internal/pool.",
	"github.com/go-redis/redis/v8/internal/pool.",
	"github.com/go-sql-driver/mysql.",
	"go.mongodb.org/mongo-driver/x/mongo/driver/topology.",
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology.",
	"github.com/bradfitz/gomemcache/",
	// Clients of brokers batch what many ask for.
	"github.com/IBM/sarama.",
	"github.com/Shopify/sarama.",
	"github.com/segmentio/kafka-go.",
	"github.com/twmb/franz-go/pkg/kgo.",
	"github.com/nats-io/nats%2ego.",
	"github.com/rabbitmq/amqp091-go.",
	"github.com/streadway/amqp.",
	"github.com/eclipse/paho%2emqtt%2egolang.",
	// One call for many callers.
	"golang.org/x/sync/singleflight.",
	"internal/singleflight.",
	// Exporters of telemetry send what many requests left.
	"go.opentelemetry.io/otel/sdk/",
	"go.opencensus.io/",
	// The runtime's own: collector, finalizers, timers.
	"runtime.",
	"os/signal.",
	"context.",
}

// startsPool tells whether a goroutine that runs the function of this name works for many.
func startsPool(name string) bool {
	for _, p := range goPools {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

const goPoolCache = 4096 // functions of a program that goroutines are started with, of which few programs have a hundred

// StartsPool tells whether a goroutine that runs the function at startPC works for many requests, so that it is not caused by
// what its creator does. It is true also where that is not known: no process, or no function. Answers are kept, so that
// only the first one for a function of a program reads from its file, some twenty times.
func (w *GoWatcher) StartsPool(pid uint32, startPC uint64) bool {
	w.mu.Lock()
	p, ok := w.processes[pid]
	w.mu.Unlock()
	if !ok {
		return true
	}
	return p.file.startsPool(startPC - p.bias)
}

func (f *goFile) startsPool(pc uint64) bool {
	f.poolMu.Lock()
	defer f.poolMu.Unlock()
	pool, known := f.pools[pc]
	if !known {
		name := f.symbols.NameAt(pc)
		pool = name == "" || startsPool(name)
		if len(f.pools) >= goPoolCache {
			clear(f.pools)
		}
		f.pools[pc] = pool
	}
	return pool
}

// loadBias returns how far above the addresses of its file a process has a program.
func loadBias(pid uint32, f *goFile) uint64 {
	if f.symbols.Fixed() {
		return 0
	}
	path, _ := os.Readlink(procPath(pid, "exe"))
	file, err := os.Open(procPath(pid, "maps"))
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if bias, ok := biasOf(lines.Text(), path, f.id.inode, f.symbols); ok {
			return bias
		}
	}
	return 0
}

// biasOf reads a line of /proc/PID/maps: "7f12-7f34 r-xp 00001000 fe:00 1234    /usr/bin/app".
func biasOf(line, path string, inode uint64, p *symbols.Program) (uint64, bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 || fields[4] != strconv.FormatUint(inode, 10) && !strings.HasSuffix(line, " "+path) {
		return 0, false
	}
	from, _, _ := strings.Cut(fields[0], "-")
	start, err := strconv.ParseUint(from, 16, 64)
	if err != nil {
		return 0, false
	}
	offset, err := strconv.ParseUint(fields[2], 16, 64)
	if err != nil {
		return 0, false
	}
	return p.Bias(start, offset)
}
