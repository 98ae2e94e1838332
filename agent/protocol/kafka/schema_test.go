// SPDX-License-Identifier: Apache-2.0

package kafka

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// message is one of Kafka's own message definitions.
type message struct {
	APIKey   *int   `json:"apiKey"`
	Type     string `json:"type"`
	Name     string `json:"name"`
	Valid    string `json:"validVersions"`
	Flexible string `json:"flexibleVersions"`
	Fields   []part `json:"fields"`
	Shared   []part `json:"commonStructs"`
}

// part is one field of a message.
type part struct {
	Name     string          `json:"name"`
	Type     string          `json:"type"`
	Versions string          `json:"versions"`
	Nullable string          `json:"nullableVersions"`
	Tagged   string          `json:"taggedVersions"`
	Tag      json.RawMessage `json:"tag"` // a number, at times in quotes
	Fields   []part          `json:"fields"`
}

func loadMessages(t *testing.T) (requests, responses map[int]message) {
	t.Helper()
	root := os.Getenv("SONDE_CORPORA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "corpora")
	}
	root = filepath.Join(root, "kafka-messages")
	files, _ := filepath.Glob(filepath.Join(root, "*.json"))
	if len(files) == 0 {
		t.Skipf("no message definitions in %s: set SONDE_CORPORA to the folder that holds kafka-messages", root)
	}
	requests, responses = map[int]message{}, map[int]message{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var m message
		if err := json.Unmarshal(withoutComments(text), &m); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		switch m.Type {
		case "request":
			requests[*m.APIKey] = m
		case "response":
			responses[*m.APIKey] = m
		}
	}
	return requests, responses
}

// withoutComments drops what follows "//" outside of strings.
func withoutComments(text []byte) []byte {
	var out []byte
	for line := range strings.Lines(string(text)) {
		quoted := false
		for i := range len(line) {
			if line[i] == '"' {
				quoted = !quoted
			}
			if !quoted && strings.HasPrefix(line[i:], "//") {
				line = line[:i] + "\n"
				break
			}
		}
		out = append(out, line...)
	}
	return out
}

// covers reports whether versions as the definitions write them ("3+", "0-4", "none") hold v.
func covers(versions string, v int) bool {
	first, last, ranged := strings.Cut(versions, "-")
	open := strings.HasSuffix(first, "+")
	from, err := strconv.Atoi(strings.TrimSuffix(first, "+"))
	switch {
	case err != nil || v < from:
		return false
	case ranged:
		to, _ := strconv.Atoi(last)
		return v <= to
	}
	return open || v == from
}

func newest(versions string) int {
	_, last, ranged := strings.Cut(versions, "-")
	if !ranged {
		last = versions
	}
	n, _ := strconv.Atoi(strings.TrimSuffix(last, "+"))
	return n
}

// expected is what a generated message says to who knows its definition.
type expected struct {
	topics, partitions int
	topic              string
	topicID            []byte
	partition          int32
	groups             []string
	key                string
	keyType            byte
	err                int16
	acks               int16
	topName            string
	learnt             map[[16]byte]string
	records            int
	bodies             int
	offsets            []int64
	mechanism          string
	topLevel           int // an error at the top
}

// generator makes random messages from definitions.
type generator struct {
	rnd      *rand.Rand
	version  int
	flexible bool
	shared   map[string][]part
	b        []byte
	want     expected
	path     []string
	code     int16 // for errors; 0 for none
	name     string
}

func newGenerator(rnd *rand.Rand, m message, version int, code int16) *generator {
	g := &generator{rnd: rnd, version: version, flexible: covers(m.Flexible, version), shared: map[string][]part{}, code: code}
	g.want.partition = -1
	g.want.learnt = map[[16]byte]string{}
	for _, s := range m.Shared {
		g.shared[s.Name] = s.Fields
	}
	return g
}

func (g *generator) uvarint(n int) { g.b = binary.AppendUvarint(g.b, uint64(n)) }

func (g *generator) length(n int, wide bool) {
	switch {
	case g.flexible:
		g.uvarint(n + 1)
	case wide:
		g.b = binary.BigEndian.AppendUint32(g.b, uint32(n))
	default:
		g.b = binary.BigEndian.AppendUint16(g.b, uint16(n))
	}
}

func (g *generator) fields(all []part) {
	var tagged []part
	for _, p := range all {
		if !covers(p.Versions, g.version) {
			continue
		}
		if g.flexible && covers(p.Tagged, g.version) {
			tagged = append(tagged, p)
			continue
		}
		g.field(p)
	}
	if g.flexible {
		g.tags(tagged)
	}
}

func (g *generator) tags(tagged []part) {
	unknown := g.rnd.IntN(3) == 0
	n := len(tagged)
	if unknown {
		n++
	}
	g.uvarint(n)
	for _, p := range tagged {
		inner := *g
		inner.b, inner.want = nil, expected{learnt: map[[16]byte]string{}} // what tags say is not looked at
		inner.field(p)
		tag, _ := strconv.Atoi(strings.Trim(string(p.Tag), `"`))
		g.uvarint(tag)
		g.uvarint(len(inner.b))
		g.b = append(g.b, inner.b...)
	}
	if unknown {
		g.uvarint(100)
		g.uvarint(3)
		g.b = append(g.b, 1, 2, 3)
	}
}

func (g *generator) field(p part) {
	g.path = append(g.path, p.Name)
	defer func() { g.path = g.path[:len(g.path)-1] }()
	null := covers(p.Nullable, g.version) && g.rnd.IntN(4) == 0
	if element, array := strings.CutPrefix(p.Type, "[]"); array {
		n := 1 + g.rnd.IntN(3)
		if null {
			g.length(-1, true)
			return
		}
		if g.rnd.IntN(5) == 0 {
			n = 0
		}
		g.length(n, true)
		g.array(p, n)
		for range n {
			g.value(part{Name: p.Name, Type: element, Fields: p.Fields}, false)
		}
		return
	}
	g.value(p, null)
}

func (g *generator) value(p part, null bool) {
	fields := p.Fields
	if s := g.shared[p.Type]; s != nil {
		fields = s
	}
	switch p.Type {
	case "bool":
		g.b = append(g.b, byte(g.rnd.IntN(2)))
	case "int8":
		v := g.rnd.IntN(3)
		g.note(p.Name, int64(v))
		g.b = append(g.b, byte(v))
	case "int16", "uint16":
		g.b = binary.BigEndian.AppendUint16(g.b, uint16(g.int16(p.Name)))
	case "int32", "uint32":
		v := g.rnd.Int32()
		g.note(p.Name, int64(v))
		g.b = binary.BigEndian.AppendUint32(g.b, uint32(v))
	case "int64", "float64":
		v := g.rnd.Int64()
		g.note(p.Name, v)
		g.b = binary.BigEndian.AppendUint64(g.b, uint64(v))
	case "uuid":
		id := make([]byte, 16)
		binary.BigEndian.PutUint64(id, g.rnd.Uint64()|1)
		g.id(p.Name, id)
		g.b = append(g.b, id...)
	case "string":
		g.text(p, null)
	case "bytes":
		g.blob(make([]byte, g.rnd.IntN(40)), null)
	case "records":
		g.records(null)
	default:
		if p.Nullable != "" && covers(p.Nullable, g.version) { // a structure that may be null has a byte in front
			if null {
				g.b = append(g.b, 0xff)
				return
			}
			g.b = append(g.b, 1)
		}
		g.fields(fields)
	}
}

func (g *generator) blob(b []byte, null bool) {
	if null {
		g.length(-1, true)
		return
	}
	g.length(len(b), true)
	g.b = append(g.b, b...)
}

func (g *generator) records(null bool) {
	if null {
		g.length(-1, true)
		return
	}
	var b []byte
	for range g.rnd.IntN(3) {
		n := 1 + g.rnd.IntN(9)
		b = append(b, batch(n, g.rnd.IntN(50), 0)...)
		g.want.records += n
	}
	g.want.bodies += len(b)
	g.blob(b, false)
}

func (g *generator) text(p part, null bool) {
	if null {
		g.length(-1, false)
		g.named(p.Name, "")
		return
	}
	s := fmt.Sprintf("%s-%x", strings.ToLower(p.Name), g.rnd.Uint32())
	g.length(len(s), false)
	g.b = append(g.b, s...)
	g.named(p.Name, s)
}

// inTopics reports whether the field at hand belongs to a topic: the parent array is one of topics.
func (g *generator) inTopics() bool {
	if len(g.path) < 2 {
		return false
	}
	return isTopics(g.path[len(g.path)-2])
}

func isTopics(name string) bool {
	switch name {
	case "Topics", "TopicData", "Responses", "V3AndBelowTopics", "TopicResults", "ResultsByTopicV3AndBelow", "TopicNames", "TopicPartitions":
		return true
	}
	return false
}

func (g *generator) array(p part, n int) {
	switch {
	case g.path[0] == "ForgottenTopicsData": // not what is fetched
	case p.Name == "Results" && g.name == "CreatePartitionsResponse", p.Name == "Results" && g.name == "AlterReplicaLogDirsResponse", isTopics(p.Name):
		g.want.topics += n
	case strings.Contains(p.Name, "Partition") && p.Name != "TopicPartitions" || p.Name == "PartitionData":
		g.want.partitions += n
	}
}

func (g *generator) named(field, s string) {
	switch {
	case field == "GroupId", field == "GroupsNames", field == "GroupIds", field == "Groups":
		g.want.groups = append(g.want.groups, s)
	case field == "Key", field == "CoordinatorKeys":
		if g.want.key == "" {
			g.want.key = s
		}
	case field == "Mechanism":
		g.want.mechanism = s
	case g.inTopics() && (field == "Name" || field == "Topic"), field == "TopicNames":
		g.want.topName = s
		if g.want.topic == "" {
			g.want.topic = s
		}
	}
}

func (g *generator) id(field string, id []byte) {
	if field != "TopicId" || !g.inTopics() {
		return
	}
	if g.want.topicID == nil {
		g.want.topicID = id
	}
	if g.want.topName != "" {
		g.want.learnt[[16]byte(id)] = g.want.topName
	}
}

func (g *generator) int16(field string) int16 {
	switch {
	case field == "Acks":
		g.want.acks = int16(g.rnd.IntN(3) - 1)
		return g.want.acks
	case strings.HasSuffix(field, "ErrorCode"):
		if len(g.path) == 1 {
			g.want.topLevel = int(g.code)
		}
		if g.want.err == 0 {
			g.want.err = g.code
		}
		return g.code
	}
	return int16(g.rnd.IntN(100))
}

func (g *generator) note(field string, v int64) {
	switch {
	case field == "KeyType":
		g.want.keyType = byte(v)
	case g.path[0] != "ForgottenTopicsData" && (field == "PartitionIndex" || field == "Index" || field == "Partition" || field == "Partitions" || field == "PartitionIndexes") && g.want.partition < 0:
		g.want.partition = int32(v)
	case field == "FetchOffset" || field == "CommittedOffset" || field == "BaseOffset" || field == "Offset":
		g.want.offsets = append(g.want.offsets, v)
	}
}

// deep are the APIs of which more is read than the error in front.
var deep = map[int]bool{
	0: true, 1: true, 2: true, 3: true, 8: true, 9: true, 10: true, 11: true, 12: true, 13: true, 14: true, 15: true, 17: true,
	18: true, 19: true, 20: true, 21: true, 22: true, 23: true, 24: true, 25: true, 26: true, 28: true, 36: true, 37: true,
	35: true, 42: true, 43: true, 47: true, 61: true,
}

// frontError tells, for each API, whether its answer begins with an error, behind a throttle time at most.
func frontError(fields []part, version int) bool {
	for _, p := range fields {
		if !covers(p.Versions, version) || covers(p.Tagged, version) {
			continue
		}
		if p.Name == "ErrorCode" {
			return true
		}
		if p.Name != "ThrottleTimeMs" {
			return false
		}
	}
	return false
}

func TestLayouts(t *testing.T) {
	requests, responses := loadMessages(t)
	pairs := 0
	for key, m := range requests {
		if newest(m.Valid) > int(apis[key].max) {
			t.Errorf("%s has version %d, known up to %d", m.Name, newest(m.Valid), apis[key].max)
		}
		for version := 0; version <= newest(m.Valid); version++ {
			for seed := range uint64(20) {
				rnd := rand.New(rand.NewPCG(seed, uint64(key*100+version)))
				if !t.Run(fmt.Sprintf("%s/v%d/%d", m.Name, version, seed), func(t *testing.T) { checkPair(t, rnd, key, version, m, responses[key]) }) {
					break
				}
				pairs++
			}
		}
	}
	t.Logf("%d APIs, %d pairs of all versions", len(requests), pairs)
}

// checkPair has a request and its answer made from the definitions and holds what is reported against what went into them.
func checkPair(t *testing.T, rnd *rand.Rand, key, version int, m, answer message) {
	id := int(rnd.Int32())
	code := int16([]int{0, 0, 3, 35, -1, 133}[rnd.IntN(6)])
	ask := newGenerator(rnd, m, version, 0)
	ask.name = m.Name
	ask.fields(m.Fields)
	reply := newGenerator(rnd, answer, version, code)
	reply.name = answer.Name
	reply.fields(answer.Fields)

	head := new(builder).i16(key).i16(version).i32(id)
	if key != keyControlledStop || version > 0 {
		head.str("client-7")
	}
	if ask.flexible {
		head.i8(0)
	}
	up1 := (&builder{append(head.b, ask.b...)}).framed()
	tail := response(id)
	if reply.flexible && key != keyAPIVersions {
		tail.i8(0)
	}
	down1 := (&builder{append(tail.b, reply.b...)}).framed()

	var got []model.Request
	p := Spec().Setup(&protocol.Env{Emit: func(r *model.Request) {
		c := *r
		d := *r.Messaging
		c.Messaging = &d
		got = append(got, c)
	}})(protocol.Start{}).(*conn)
	p.Feed(protocol.Received, up1, 1)
	p.Feed(protocol.Sent, down1, 2)
	if len(got) != 1 {
		t.Fatalf("%d requests reported, fit %d\n%x\n%x", len(got), p.Fit(), up1, down1)
	}
	r, d := got[0], got[0].Messaging
	name := strings.TrimSuffix(m.Name, "Request")
	if name == "ListClientMetricsResources" {
		name = "ListConfigResources" // its name since 4.1
	}
	if d.API != name || d.APIVersion != version || d.CorrelationID != int64(id) || r.Role != model.RoleServer {
		t.Errorf("got %s v%d #%d %s, want %s v%d #%d server", d.API, d.APIVersion, d.CorrelationID, r.Role, name, version, id)
	}
	if want := "client-7"; d.ClientID != want && (key != keyControlledStop || version > 0) {
		t.Errorf("client %q, want %q", d.ClientID, want)
	}
	if r.RequestBytes != uint64(len(up1)) {
		t.Errorf("%d bytes of %d", r.RequestBytes, len(up1))
	}
	if key == keyProduce && ask.want.acks == 0 {
		if !r.OneWay {
			t.Errorf("not one-way")
		}
		return
	}
	if r.OneWay || r.ResponseBytes != uint64(len(down1)) {
		t.Errorf("one-way %v, %d bytes of %d", r.OneWay, r.ResponseBytes, len(down1))
	}
	checkError(t, key, version, r, &reply.want, answer)
	if deep[key] {
		checkDeep(t, key, d, &ask.want, &reply.want)
	}
	for topic, name := range reply.want.learnt {
		if key == 3 && p.shared.topics[topic] != name {
			t.Errorf("topic id %x is %q, want %q", topic, p.shared.topics[topic], name)
		}
	}
}

func checkError(t *testing.T, key, version int, r model.Request, want *expected, answer message) {
	t.Helper()
	code := want.err
	if !deep[key] && !frontError(answer.Fields, version) {
		if r.Messaging.Error != "" && r.Messaging.Error != errorName(want.err) {
			t.Errorf("error %q, want %q or none", r.Messaging.Error, errorName(want.err))
		}
		return
	}
	if frontOnly[key] && want.topLevel == 0 {
		code = 0
	}
	outcome := model.OutcomeOK
	if code != 0 {
		outcome = model.OutcomeError
	}
	if r.Messaging.Error != errorName(code) || r.ErrorType != errorName(code) || r.Outcome != outcome {
		t.Errorf("error %q (%s), want %q", r.Messaging.Error, r.Outcome, errorName(code))
	}
}

// frontOnly are the deep APIs whose answers are read no further than the error.
var frontOnly = map[int]bool{11: true, 14: true, 18: true, 36: true}

func checkDeep(t *testing.T, key int, d *model.Messaging, ask, reply *expected) {
	t.Helper()
	where := ask
	if key == keyFetch && ask.topics == 0 {
		where = reply
	}
	if d.Destinations != where.topics || d.Destination != where.topic {
		t.Errorf("topic %q of %d, want %q of %d", d.Destination, d.Destinations, where.topic, where.topics)
	}
	partition := int32(-1)
	if where.topics == 1 && where.partitions == 1 {
		partition = where.partition
	}
	if d.Partition != partition {
		t.Errorf("partition %d, want %d", d.Partition, partition)
	}
	group := ""
	if len(ask.groups) > 0 {
		group = ask.groups[0]
	}
	if key == keyFindCoordinator {
		group = ""
		if ask.keyType == 0 {
			group = ask.key
		}
	}
	if d.Group != group {
		t.Errorf("group %q, want %q", d.Group, group)
	}
	if d.Mechanism != ask.mechanism {
		t.Errorf("mechanism %q, want %q", d.Mechanism, ask.mechanism)
	}
	switch key {
	case keyProduce:
		checkMessages(t, d, ask)
	case keyFetch:
		checkMessages(t, d, reply)
	}
}

func checkMessages(t *testing.T, d *model.Messaging, want *expected) {
	t.Helper()
	if d.Messages != want.records || d.BodyBytes != uint64(want.bodies) {
		t.Errorf("%d messages of %d bytes, want %d of %d", d.Messages, d.BodyBytes, want.records, want.bodies)
	}
}
