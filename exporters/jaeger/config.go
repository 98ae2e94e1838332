// SPDX-License-Identifier: Apache-2.0

package jaeger

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"sonde/exporters/batch"
	"sonde/exporters/semconv"
)

// Ports and path of Jaeger's legacy receivers.
const (
	portHTTP = "14268"
	portUDP  = "6831"
	pathHTTP = "/api/traces"
)

// maxPacket is the most that jaeger-agent reads as one packet.
const maxPacket = 65000

// Config says where spans go.
type Config struct {
	// Endpoint is "http://host[:14268][/api/traces]", the same with https, or "udp://host[:6831]". A user and a password in
	// it are sent as basic authentication.
	Endpoint string
	Timeout  time.Duration // from the sending of a batch to its answer
	Packet   int           // bytes of a UDP packet at most
	Methods  semconv.Methods
	Queue    batch.Config
	Resource semconv.Resource
}

// Default returns the settings for a Jaeger with default settings. Batches are smaller than OTLP's: Thrift's collectors decode
// them in one go.
func Default() Config {
	c := Config{Timeout: 10 * time.Second, Packet: maxPacket, Queue: batch.Default()}
	c.Queue.BatchSpans = 1000
	return c
}

// Validate reports settings that cannot work.
func (c *Config) Validate() error {
	if c.Timeout <= 0 {
		return errors.New("the timeout of Jaeger must be above 0")
	}
	if c.Packet < 1000 || c.Packet > maxPacket {
		return fmt.Errorf("a packet of %d bytes: Jaeger's have from 1000 to %d", c.Packet, maxPacket)
	}
	if _, err := c.target(); err != nil {
		return err
	}
	return c.Queue.Validate()
}

// target returns the endpoint with everything that may be left out.
func (c *Config) target() (*url.URL, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("%q is no endpoint of Jaeger: use http://host:%s%s or udp://host:%s", c.Endpoint, portHTTP, pathHTTP, portUDP)
	}
	port := portHTTP
	switch u.Scheme {
	case "udp":
		port = portUDP
	case "http", "https":
		if u.Path == "" || u.Path == "/" {
			u.Path = pathHTTP
		}
	default:
		return nil, fmt.Errorf("endpoint %q: Jaeger is reached over http, https or udp", c.Endpoint)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}
