// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"strconv"
	"strings"
)

// command is what is known of one command.
type command struct {
	upper, lower string // its name, "CONFIG GET" with a subcommand
	container    bool   // its first argument is a subcommand

	// Positions of keys among the arguments, as the server's own COMMAND says them: 0 is the name, a negative last counts
	// from the end. numkeys is the position of an argument that counts the keys behind it. streams: keys follow STREAMS.
	first, last, step, numkeys int
	streams                    bool
	channels                   bool // what is in the place of keys are channels

	answers string // types that an answer can have, "" for any; errors and +QUEUED always can
}

// table lists names, keys and answers. Keys: "1" one key, "1:-1" several, "1:-1:2" each second, "#2" counted by argument 2,
// "1#2" both, "S" behind STREAMS, "c" before positions that are channels, "-" none. Answers: the types of RESP2, and of
// RESP3 where they differ; "b" is a bulk string or null, "a" an aggregate or null, "d" a number with a fraction.
const table = `
APPEND 1 : ; ASKING - + ; AUTH - + ; BGREWRITEAOF - + ; BGSAVE - +
BITCOUNT 1 : ; BITFIELD 1 a ; BITFIELD_RO 1 a ; BITOP 2:-1 : ; BITPOS 1 :
BLMOVE 1:2 b ; BLMPOP #2 a ; BLPOP 1:-2 a ; BRPOP 1:-2 a ; BRPOPLPUSH 1:2 b ; BZMPOP #2 a ; BZPOPMAX 1:-2 a ; BZPOPMIN 1:-2 a
COPY 1:2 : ; DBSIZE - : ; DECR 1 : ; DECRBY 1 : ; DEL 1:-1 : ; DISCARD - + ; DUMP 1 b ; ECHO - b
EVAL #2 * ; EVALSHA #2 * ; EVALSHA_RO #2 * ; EVAL_RO #2 * ; EXEC - a ; EXISTS 1:-1 : ; EXPIRE 1 : ; EXPIREAT 1 : ; EXPIRETIME 1 :
FAILOVER - + ; FCALL #2 * ; FCALL_RO #2 * ; FLUSHALL - + ; FLUSHDB - +
GEOADD 1 : ; GEODIST 1 b ; GEOHASH 1 a ; GEOPOS 1 a ; GEORADIUS 1 a: ; GEORADIUSBYMEMBER 1 a: ; GEORADIUSBYMEMBER_RO 1 a ; GEORADIUS_RO 1 a ; GEOSEARCH 1 a ; GEOSEARCHSTORE 1:2 :
GET 1 b ; GETBIT 1 : ; GETDEL 1 b ; GETEX 1 b ; GETRANGE 1 b ; GETSET 1 b
HDEL 1 : ; HELLO - a ; HEXISTS 1 : ; HEXPIRE 1 a ; HEXPIREAT 1 a ; HEXPIRETIME 1 a ; HGET 1 b ; HGETALL 1 a ; HGETDEL 1 a ; HGETEX 1 a ; HINCRBY 1 : ; HINCRBYFLOAT 1 b
HKEYS 1 a ; HLEN 1 : ; HMGET 1 a ; HMSET 1 + ; HPERSIST 1 a ; HPEXPIRE 1 a ; HPEXPIREAT 1 a ; HPEXPIRETIME 1 a ; HPTTL 1 a ; HRANDFIELD 1 ba ; HSCAN 1 a ; HSET 1 : ; HSETEX 1 : ; HSETNX 1 : ; HSTRLEN 1 : ; HTTL 1 a ; HVALS 1 a
INCR 1 : ; INCRBY 1 : ; INCRBYFLOAT 1 b ; INFO - b ; KEYS - a ; LASTSAVE - : ; LCS 1:2 ba: ; LINDEX 1 b ; LINSERT 1 : ; LLEN 1 : ; LMOVE 1:2 b ; LMPOP #1 a ; LOLWUT - b
LPOP 1 ba ; LPOS 1 b:a ; LPUSH 1 : ; LPUSHX 1 : ; LRANGE 1 a ; LREM 1 : ; LSET 1 + ; LTRIM 1 +
MGET 1:-1 a ; MIGRATE - + ; MONITOR - + ; MOVE 1 : ; MSET 1:-1:2 + ; MSETNX 1:-1:2 : ; MULTI - +
PERSIST 1 : ; PEXPIRE 1 : ; PEXPIREAT 1 : ; PEXPIRETIME 1 : ; PFADD 1 : ; PFCOUNT 1:-1 : ; PFDEBUG 2 * ; PFMERGE 1:-1 + ; PFSELFTEST - + ; PING - +ba ; PSETEX 1 +
PSUBSCRIBE c1:-1 a ; PSYNC - + ; PTTL 1 : ; PUBLISH c1 : ; PUNSUBSCRIBE c1:-1 a ; QUIT - +
RANDOMKEY - b ; READONLY - + ; READWRITE - + ; RENAME 1:2 + ; RENAMENX 1:2 : ; REPLCONF - +: ; REPLICAOF - + ; RESET - + ; RESTORE 1 + ; RESTORE-ASKING 1 + ; ROLE - a ; RPOP 1 ba ; RPOPLPUSH 1:2 b ; RPUSH 1 : ; RPUSHX 1 :
SADD 1 : ; SAVE - + ; SCAN - a ; SCARD 1 : ; SDIFF 1:-1 a ; SDIFFSTORE 1:-1 : ; SELECT - + ; SET 1 +b ; SETBIT 1 : ; SETEX 1 + ; SETNX 1 : ; SETRANGE 1 : ; SHUTDOWN - +
SINTER 1:-1 a ; SINTERCARD #1 : ; SINTERSTORE 1:-1 : ; SISMEMBER 1 : ; SLAVEOF - + ; SMEMBERS 1 a ; SMISMEMBER 1 a ; SMOVE 1:2 : ; SORT 1 a: ; SORT_RO 1 a ; SPOP 1 ba ; SPUBLISH c1 : ; SRANDMEMBER 1 ba ; SREM 1 : ; SSCAN 1 a ; SSUBSCRIBE c1:-1 a ; STRLEN 1 : ; SUBSCRIBE c1:-1 a ; SUBSTR 1 b ; SUNION 1:-1 a ; SUNIONSTORE 1:-1 : ; SUNSUBSCRIBE c1:-1 a ; SWAPDB - + ; SYNC - b
TIME - a ; TOUCH 1:-1 : ; TTL 1 : ; TYPE 1 + ; UNLINK 1:-1 : ; UNSUBSCRIBE c1:-1 a ; UNWATCH - + ; WAIT - : ; WAITAOF - a ; WATCH 1:-1 +
XACK 1 : ; XADD 1 b ; XAUTOCLAIM 1 a ; XCLAIM 1 a ; XDEL 1 : ; XLEN 1 : ; XPENDING 1 a ; XRANGE 1 a ; XREAD S a ; XREADGROUP S a ; XREVRANGE 1 a ; XSETID 1 + ; XTRIM 1 :
ZADD 1 :b ; ZCARD 1 : ; ZCOUNT 1 : ; ZDIFF #1 a ; ZDIFFSTORE 1#2 : ; ZINCRBY 1 b ; ZINTER #1 a ; ZINTERCARD #1 : ; ZINTERSTORE 1#2 : ; ZLEXCOUNT 1 : ; ZMPOP #1 a ; ZMSCORE 1 a ; ZPOPMAX 1 a ; ZPOPMIN 1 a ; ZRANDMEMBER 1 ba ; ZRANGE 1 a ; ZRANGEBYLEX 1 a ; ZRANGEBYSCORE 1 a ; ZRANGESTORE 1:2 : ; ZRANK 1 b:a
ZREM 1 : ; ZREMRANGEBYLEX 1 : ; ZREMRANGEBYRANK 1 : ; ZREMRANGEBYSCORE 1 : ; ZREVRANGE 1 a ; ZREVRANGEBYLEX 1 a ; ZREVRANGEBYSCORE 1 a ; ZREVRANK 1 b:a ; ZSCAN 1 a ; ZSCORE 1 b ; ZUNION #1 a ; ZUNIONSTORE 1#2 :`

// containers lists commands with subcommands, and the position of a key behind them.
const containers = `
ACL - CAT DELUSER DRYRUN GENPASS GETUSER HELP LIST LOAD LOG SAVE SETUSER USERS WHOAMI
CLIENT - CACHING GETNAME GETREDIR HELP ID INFO KILL LIST NO-EVICT NO-TOUCH PAUSE REPLY SETINFO SETNAME TRACKING TRACKINGINFO UNBLOCK UNPAUSE
CLUSTER - ADDSLOTS ADDSLOTSRANGE BUMPEPOCH COUNT-FAILURE-REPORTS COUNTKEYSINSLOT DELSLOTS DELSLOTSRANGE FAILOVER FLUSHSLOTS FORGET GETKEYSINSLOT HELP INFO KEYSLOT LINKS MEET MYID MYSHARDID NODES REPLICAS REPLICATE RESET SAVECONFIG SET-CONFIG-EPOCH SETSLOT SHARDS SLAVES SLOT-STATS SLOTS
COMMAND - COUNT DOCS GETKEYS GETKEYSANDFLAGS HELP INFO LIST
CONFIG - GET HELP RESETSTAT REWRITE SET
DEBUG - CHANGE-REPL-ID DIGEST DIGEST-VALUE ERROR HELP JMAP LISTPACK LOG OBJECT PROTOCOL QUICKLIST RELOAD SET-ACTIVE-EXPIRE SLEEP STRINGMATCH-LEN
FUNCTION - DELETE DUMP FLUSH HELP KILL LIST LOAD RESTORE STATS
LATENCY - DOCTOR GRAPH HELP HISTOGRAM HISTORY LATEST RESET
MEMORY 2 DOCTOR HELP MALLOC-STATS PURGE STATS USAGE
MODULE - HELP LIST LOAD LOADEX UNLOAD
OBJECT 2 ENCODING FREQ HELP IDLETIME REFCOUNT
PUBSUB - CHANNELS HELP NUMPAT NUMSUB SHARDCHANNELS SHARDNUMSUB
SCRIPT - DEBUG EXISTS FLUSH HELP KILL LOAD SHOW
SENTINEL - CKQUORUM CONFIG DEBUG FAILOVER FLUSHCONFIG GET-MASTER-ADDR-BY-NAME HELP INFO-CACHE IS-MASTER-DOWN-BY-ADDR MASTER MASTERS MONITOR MYID PENDING-SCRIPTS REMOVE REPLICAS RESET SENTINELS SET SIMULATE-FAILURE SLAVES
SLOWLOG - GET HELP LEN RESET
XGROUP 2 CREATE CREATECONSUMER DELCONSUMER DESTROY HELP SETID
XINFO 2 CONSUMERS GROUPS HELP STREAM`

// commands is the table by name.
type commands map[string]*command

func parseTable() commands {
	all := commands{}
	for _, row := range strings.FieldsFunc(table, func(r rune) bool { return r == ';' || r == '\n' }) {
		f := strings.Fields(row)
		c := &command{upper: f[0], lower: strings.ToLower(f[0])}
		c.keys(f[1])
		if f[2] != "*" {
			c.answers = answerTypes.Replace(f[2])
		}
		all[c.upper] = c
	}
	for _, row := range strings.Split(strings.TrimSpace(containers), "\n") {
		f := strings.Fields(row)
		all[f[0]] = &command{upper: f[0], lower: strings.ToLower(f[0]), container: true}
		for _, sub := range f[2:] {
			name := f[0] + " " + sub
			c := &command{upper: name, lower: strings.ToLower(name)}
			c.keys(f[1])
			all[name] = c
		}
	}
	return all
}

// A null bulk string and a null array are the same type in RESP3, and a number may be a bulk string in RESP2.
var answerTypes = strings.NewReplacer("b", "$_=,", "a", "*%~_>")

func (c *command) keys(s string) {
	s, c.channels = strings.TrimPrefix(s, "c"), strings.HasPrefix(s, "c")
	switch s {
	case "-":
		return
	case "S":
		c.streams = true
		return
	}
	positions, numkeys, counted := strings.Cut(s, "#")
	if counted {
		c.numkeys, _ = strconv.Atoi(numkeys)
	}
	if positions == "" {
		return
	}
	p := strings.Split(positions, ":")
	c.first, _ = strconv.Atoi(p[0])
	c.last, c.step = c.first, 1
	if len(p) > 1 {
		c.last, _ = strconv.Atoi(p[1])
	}
	if len(p) > 2 {
		c.step, _ = strconv.Atoi(p[2])
	}
}

// several says that the command can have more than one key.
func (c *command) several() bool { return c.last != c.first || c.numkeys > 0 || c.streams }

// find returns the command with a name in any case, nil when there is none. The name may be a command and its subcommand.
func (all commands) find(name []byte) *command {
	var b [maxName]byte
	if len(name) > len(b) {
		return nil
	}
	for i, x := range name {
		if 'a' <= x && x <= 'z' {
			x -= 'a' - 'A'
		}
		b[i] = x
	}
	return all[string(b[:len(name)])]
}

// as returns the name as it was sent, without a copy where it is in one case.
func (c *command) as(sent []byte) string {
	switch string(sent) {
	case c.upper:
		return c.upper
	case c.lower:
		return c.lower
	}
	return string(sent)
}
