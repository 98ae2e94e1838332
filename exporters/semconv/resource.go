// SPDX-License-Identifier: Apache-2.0

package semconv

import (
	"crypto/sha1" //nolint:gosec // UUID version 5 is defined by it (RFC 9562 section 5.5)
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sonde/agent/model"
)

// Scope is the instrumentation scope of everything that sonde exports over OTLP.
const Scope = "sonde"

// UnknownService is the service.name of requests whose process is not known: those of a capture file, and of sockets whose
// owner could not be found. It is the specification's word (resource data model, "service.name").
const UnknownService = "unknown_service"

// Keys of resource attributes.
const (
	KeyServiceName      = "service.name"
	KeyServiceInstance  = "service.instance.id"
	KeyProcessPID       = "process.pid"
	KeyProcessName      = "process.executable.name"
	KeyProcessPath      = "process.executable.path"
	KeyProcessCommand   = "process.command"
	KeyProcessCreation  = "process.creation.time"
	KeyContainerID      = "container.id"
	KeyContainerRuntime = "container.runtime.name"
	KeyHostName         = "host.name"
	KeyHostID           = "host.id"
	KeyHostArch         = "host.arch"
	KeyOSType           = "os.type"
	KeySDKName          = "telemetry.sdk.name"
	KeySDKLanguage      = "telemetry.sdk.language"
	KeySDKVersion       = "telemetry.sdk.version"
	KeySystemdUnit      = "sonde.systemd.unit"
)

// Pair is an attribute with a text.
type Pair struct{ Key, Value string }

// Resource tells who telemetry is about: one OpenTelemetry resource for each observed process. It is read only and safe for
// concurrent use.
type Resource struct {
	Host    model.Host
	Version string // of sonde

	// Extra are added to every resource where nothing was observed for their key (OTEL_RESOURCE_ATTRIBUTES, Helm values).
	Extra []Pair
}

// ResourceVisitor takes the attributes of a resource. A Visitor is one.
type ResourceVisitor interface {
	String(key, value string)
	Int(key string, value int64)
}

// Visit tells v the attributes of p's resource, each key once.
//
// A nil p is a process that is not known. It may run elsewhere, so nothing is said of a host, and Extra may name the
// service.
//
// telemetry.sdk.name is "sonde": "opentelemetry" is reserved for OpenTelemetry's own SDKs. telemetry.sdk.language is that of
// the observed program, as backends draw an icon from it, and is left out when the executable does not tell.
func (rs *Resource) Visit(p *model.Process, v ResourceVisitor) {
	o := &observed{v: v}
	if p != nil {
		o.process(rs, p)
	}
	o.text(KeySDKName, Scope)
	o.text(KeySDKVersion, rs.Version)
	for _, e := range rs.Extra {
		o.text(e.Key, e.Value)
	}
	o.text(KeyServiceName, UnknownService)
}

// observed passes on the first value of each key.
type observed struct {
	v    ResourceVisitor
	seen []string
}

func (o *observed) text(key, value string) {
	if value != "" && !slices.Contains(o.seen, key) {
		o.seen = append(o.seen, key)
		o.v.String(key, value)
	}
}

func (o *observed) process(rs *Resource, p *model.Process) {
	o.text(KeyServiceName, p.ServiceName)
	o.text(KeyServiceInstance, rs.instance(p))
	if p.PID != 0 {
		o.seen = append(o.seen, KeyProcessPID)
		o.v.Int(KeyProcessPID, int64(p.PID))
	}
	o.text(KeyProcessName, p.Name)
	o.text(KeyProcessPath, p.Path)
	o.text(KeyProcessCommand, p.Command)
	if !p.Started.IsZero() {
		o.text(KeyProcessCreation, p.Started.UTC().Format(time.RFC3339Nano))
	}
	o.text(KeyContainerID, p.ContainerID)
	o.text(KeyContainerRuntime, p.Runtime)
	o.text(KeySystemdUnit, p.Unit)
	o.text(KeyHostName, rs.Host.Name)
	o.text(KeyHostID, rs.Host.ID)
	o.text(KeyHostArch, rs.Host.Arch)
	o.text(KeyOSType, "linux")
	o.text(KeySDKLanguage, language(p.Name))
}

// instanceNamespace is the UUID namespace that the conventions give for service.instance.id.
var instanceNamespace = [16]byte{
	0x4d, 0x63, 0x00, 0x9a, 0x8d, 0x0f, 0x11, 0xee, 0xaa, 0xd7, 0x4c, 0x79, 0x6e, 0xd8, 0xe3, 0x20,
}

// instance is a UUID version 5 of what tells a process from all others: its machine, its PID and when it started. It is the
// same every time, so that a recording gives the same resource again.
func (rs *Resource) instance(p *model.Process) string {
	name := instanceNamespace[:]
	name = append(name[:len(name):len(name)], rs.Host.ID...)
	name = strconv.AppendUint(append(name, '/'), uint64(p.PID), 10)
	if !p.Started.IsZero() {
		name = strconv.AppendInt(append(name, '/'), p.Started.UnixMilli(), 10)
	}
	sum := sha1.Sum(name) //nolint:gosec // see the import
	id := sum[:16]
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	text := hex.EncodeToString(id)
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// language names what an interpreter's executable runs, "" for all others.
func language(executable string) string {
	switch base := strings.TrimRight(executable, "0123456789."); base {
	case "node", "nodejs":
		return "nodejs"
	case "python", "pypy":
		return "python"
	case "ruby", "java", "php", "dotnet":
		return base
	case "php-fpm":
		return "php"
	case "beam.smp":
		return "erlang"
	}
	return ""
}

// ParsePairs reads "k=v,k=v" with percent-encoded values, the form of OTEL_RESOURCE_ATTRIBUTES. The last of equal keys
// counts. An entry that is none is an error, and by the specification nothing of the list is used then.
func ParsePairs(list string) ([]Pair, error) {
	var pairs []Pair
	for entry := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		key, value, ok := strings.Cut(entry, "=")
		key = strings.TrimSpace(key)
		if !ok || key == "" {
			return nil, fmt.Errorf("%q is not key=value", entry)
		}
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if err != nil {
			return nil, fmt.Errorf("value of %q: %w", key, err)
		}
		pairs = slices.DeleteFunc(pairs, func(p Pair) bool { return p.Key == key })
		pairs = append(pairs, Pair{key, value})
	}
	return pairs, nil
}
