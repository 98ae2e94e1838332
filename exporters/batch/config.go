// SPDX-License-Identifier: Apache-2.0

package batch

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Config bounds a queue. The variables are those of OpenTelemetry's batch span processor.
type Config struct {
	Spans      int           // held at most, those being sent included (OTEL_BSP_MAX_QUEUE_SIZE)
	Bytes      int           // held at most, encoded; may be exceeded by one span
	BatchSpans int           // sent together at most (OTEL_BSP_MAX_EXPORT_BATCH_SIZE)
	BatchBytes int           // a batch is sent when it has as many, and no span may have more
	Delay      time.Duration // between two batches that are not full (OTEL_BSP_SCHEDULE_DELAY)
	Timeout    time.Duration // for a batch, all tries together (OTEL_BSP_EXPORT_TIMEOUT)
	Flush      time.Duration // for everything that is left when Run is to end

	RetryFirst time.Duration // before the second try; the wait doubles with each
	RetryMost  time.Duration

	// Block makes Add wait for room, and batches end when they are full and not by time. It is for recordings and capture
	// files, which can wait, as a kernel cannot, and which give the same batches every time.
	Block bool
}

// Default returns the settings of an agent, which speaks for all processes of a machine: the queue and the batches are larger
// than the 2048 and 512 spans of an SDK, which has one process to speak for. At 50,000 spans a second the queue bridges a
// second and a batch is sent every 40 ms. A batch stays below the 4 MiB that gRPC servers take by default.
func Default() Config {
	return Config{
		Spans: 65536, Bytes: 32 << 20, BatchSpans: 2048, BatchBytes: 2 << 20,
		Delay: 5 * time.Second, Timeout: 30 * time.Second, Flush: 5 * time.Second,
		RetryFirst: time.Second, RetryMost: 15 * time.Second,
	}
}

// Env applies the variables OTEL_BSP_*. Empty ones count as unset.
func (c *Config) Env(getenv func(string) string) error {
	return errors.Join(
		envInt(getenv, "OTEL_BSP_MAX_QUEUE_SIZE", &c.Spans),
		envInt(getenv, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", &c.BatchSpans),
		envMillis(getenv, "OTEL_BSP_SCHEDULE_DELAY", &c.Delay),
		envMillis(getenv, "OTEL_BSP_EXPORT_TIMEOUT", &c.Timeout),
	)
}

func envInt(getenv func(string) string, name string, to *int) error {
	text := getenv(name)
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return fmt.Errorf("%s=%q is not a number above 0", name, text)
	}
	*to = n
	return nil
}

func envMillis(getenv func(string) string, name string, to *time.Duration) error {
	n := 0
	if err := envInt(getenv, name, &n); err != nil || n == 0 {
		return err
	}
	*to = time.Duration(n) * time.Millisecond
	return nil
}

// Validate reports settings that cannot work. A batch that is larger than the queue is cut to it, as the specification asks.
func (c *Config) Validate() error {
	if c.Spans <= 0 || c.Bytes <= 0 || c.BatchSpans <= 0 || c.BatchBytes <= 0 {
		return errors.New("the bounds of the queue of spans must be above 0")
	}
	if c.Delay <= 0 || c.Timeout <= 0 || c.Flush <= 0 || c.RetryFirst <= 0 || c.RetryMost < c.RetryFirst {
		return errors.New("the times of the queue of spans must be above 0")
	}
	c.BatchSpans = min(c.BatchSpans, c.Spans)
	c.BatchBytes = min(c.BatchBytes, c.Bytes)
	return nil
}
