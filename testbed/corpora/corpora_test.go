// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if len(scores) > 0 {
		if err := Table(os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func TestDeepFlowLinesAreTakenApart(t *testing.T) {
	for _, c := range []struct {
		line, kind string
		want       map[string]string
	}{
		{`KafkaInfo { msg_type: Request, correlation_id: Some(47), topic: "a \"b\"\n", left: None, rrt: 1619 } is_kafka: true`,
			"KafkaInfo", map[string]string{
				"msg_type": "Request", "correlation_id": "47", "topic": "a \"b\"\n", "rrt": "1619", "is_kafka": "true",
			}},
		{`MqttInfo { pkt_type: Publish { dup: false, qos: AtLeastOnce }, code: Some(0), list: [A(1), "]"], x: Subscribe(3) }`,
			"MqttInfo", map[string]string{
				"pkt_type": "Publish", "pkt_type.dup": "false", "pkt_type.qos": "AtLeastOnce", "code": "0",
				"list": `[A(1), "]"]`, "x": "Subscribe", "x.0": "3",
			}},
		{`NatsInfo(NatsInfo { message: Info(Info { port: 4222 }), span_id: None })`,
			"NatsInfo", map[string]string{"message": "Info", "message.port": "4222"}},
		{`{"request_id":57315,"request_type":"A","x":null,"y":{"z":[1,2]}} headers_offset: 0 is_dns: true`,
			"", map[string]string{
				"request_id": "57315", "request_type": "A", "y.z": "[1,2]", "headers_offset": "0", "is_dns": "true",
			}},
		{`parse failed Memcached`, "parse", map[string]string{}},
	} {
		got := parseDeepFlow(c.line)
		if got.Kind != c.kind || !maps.Equal(got.Fields, c.want) || got.Text != c.line {
			t.Errorf("%s:\n got %q %q\nwant %q %q", c.line, got.Kind, got.Fields, c.kind, c.want)
		}
	}
}

func TestZeekLogsAreRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "http.log")
	for _, c := range []struct {
		name, text string
	}{
		{"whole", "#separator \\x09\n#fields\ta\tb\tc\n#types\tx\ty\tz\n1\t-\t(empty)\n\\x00\\xffq\t2\t3\n#close\n"},
		{"cut", "### BTest\na\tb\tc\n1\t-\t(empty)\n\\x00\\xffq\t2\t3\n"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		rows, err := ReadZeek(path)
		want := []ZeekRow{{"a": "1", "c": ""}, {"a": "\x00\xffq", "b": "2", "c": "3"}}
		if err != nil || len(rows) != 2 || !maps.Equal(rows[0], want[0]) || !maps.Equal(rows[1], want[1]) {
			t.Errorf("%s: %q %v, want %q", c.name, rows, err, want)
		}
	}
}

// captureTimeout is far more than any of the captures takes, which are smaller than a megabyte.
const captureTimeout = time.Minute

// TestEveryCaptureIsRead runs all captures of all corpora: none may crash or hang, and what is damaged says so.
func TestEveryCaptureIsRead(t *testing.T) {
	root := Path(t)
	files := 0
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if ext := filepath.Ext(path); err != nil || e.IsDir() || ext != ".pcap" && ext != ".trace" && ext != ".pcapng" {
			return err
		}
		files++
		done := make(chan error, 1)
		go func() {
			_, err := Read(path)
			done <- err
		}()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(captureTimeout):
			t.Fatalf("%s: not read after %v", path, captureTimeout)
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files, %v", files, err)
	}
	t.Logf("%d captures", files)
}
