// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"

	"sonde/agent/view"
)

// ErrNoAgent tells that nobody serves the socket.
var ErrNoAgent = errors.New("no agent answers")

// clientTimeout is how long an answer may take: longer than the server allows itself.
const clientTimeout = 10 * time.Second

// maxAnswer bounds an answer in bytes, far above what view.MaxLimit rows take.
const maxAnswer = 256 << 20

// Client is a view.World at the other end of a socket. Safe for concurrent use.
type Client struct {
	path    string
	timeout time.Duration
	http    http.Client
	agent   Version
}

var _ view.World = (*Client)(nil)

// Dial connects to the agent that serves path. Its errors are sentences for people: errors.Is finds ErrNoAgent when nobody is
// there, and fs.ErrPermission when the user may not look.
func Dial(ctx context.Context, path string) (*Client, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	c := &Client{path: path, timeout: clientTimeout}
	c.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		MaxConnsPerHost: 2, MaxIdleConnsPerHost: 2, // one for the page, one beside it
		IdleConnTimeout: 30 * time.Second, DisableCompression: true,
	}
	if err := c.ask(ctx, http.MethodGet, "/v1/version", nil, &c.agent); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if c.agent.API != api {
		return nil, errors.Join(fmt.Errorf("the agent at %s (sonde %s) speaks version %d of the protocol, this sonde version %d: use the sonde that the agent is",
			path, c.agent.Version, c.agent.API, api), c.Close())
	}
	return c, nil
}

// Agent returns who was there when the connection was made.
func (c *Client) Agent() Version { return c.agent }

// Close ends the connections. Frozen worlds that were not thawed stay until their time is over.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Snapshot implements view.World.
func (c *Client) Snapshot(ctx context.Context, q view.Query) (*view.Snapshot, error) {
	s := &view.Snapshot{}
	if err := c.ask(ctx, http.MethodPost, "/v1/snapshot", q, s); err != nil {
		return nil, err
	}
	s.Mode, s.Source = "attached", c.path
	return s, nil
}

// Freeze implements view.World.
func (c *Client) Freeze(ctx context.Context) (uint64, error) {
	var f frozen
	err := c.ask(ctx, http.MethodPost, "/v1/freeze", nil, &f)
	return f.Frozen, err
}

// Thaw implements view.World.
func (c *Client) Thaw(ctx context.Context, id uint64) error {
	return c.ask(ctx, http.MethodDelete, "/v1/frozen/"+strconv.FormatUint(id, 10), nil, &struct{}{})
}

// Values implements view.World.
func (c *Client) Values(ctx context.Context, flag string) ([]string, error) {
	var v values
	err := c.ask(ctx, http.MethodGet, "/v1/values?flag="+url.QueryEscape(flag), nil, &v)
	return v.Values, err
}

func (c *Client) ask(ctx context.Context, method, path string, question, answer any) error {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := c.exchange(limited, method, path, question, answer)
	var said *Error
	switch {
	case err == nil || errors.As(err, &said):
		return err
	case ctx.Err() != nil: // the caller's own doing
		return ctx.Err()
	}
	return c.explain(err)
}

func (c *Client) exchange(ctx context.Context, method, path string, question, answer any) error {
	var body io.Reader = http.NoBody
	if question != nil {
		text, err := json.Marshal(question)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://sonde"+path, body)
	if err != nil {
		return err
	}
	if method != http.MethodDelete && path != "/v1/freeze" {
		// Not sent, but it has the transport ask again where a connection was closed between two questions: by an agent that was
		// started anew.
		r.Header["X-Idempotency-Key"] = nil
	}
	got, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer got.Body.Close()
	text, err := io.ReadAll(io.LimitReader(got.Body, maxAnswer+1))
	switch {
	case err != nil:
		return err
	case len(text) > maxAnswer:
		return fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	case got.StatusCode != http.StatusOK:
		return refusal(got.StatusCode, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%w: %w", errNotSonde, err)
	}
	return nil
}

var errNotSonde = errors.New("what answers there is not sonde run")

func refusal(status int, text []byte) error {
	e := &Error{}
	if json.Unmarshal(text, e) != nil || e.Code == "" {
		return fmt.Errorf("%w: status %d", errNotSonde, status)
	}
	return e
}

// explain says what happened and what to do. The text of the cause would name a URL that does not exist.
func (c *Client) explain(err error) error {
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err
	}
	hint := func(format string, cause error) error { return hintError{fmt.Sprintf(format, c.path), cause} }
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return hint("no agent serves %s: start sonde run (as root), or run sonde top as root to look without an agent", errors.Join(ErrNoAgent, err))
	case errors.Is(err, syscall.ECONNREFUSED):
		return hint("no agent answers at %s, it ended without removing its socket: start sonde run again", errors.Join(ErrNoAgent, err))
	case errors.Is(err, fs.ErrPermission):
		return hint("you may not look at the agent at %s: become a member of the socket's group (sudo usermod -aG "+DefaultGroup+
			" $USER, and log in again), or use sudo", err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.EAGAIN):
		return hint("the agent at %s does not answer: see whether it hangs (systemctl status sonde), or is overrun", err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return hint("the agent at %s ended while it answered: see its log (journalctl -u sonde), and start it again", errors.Join(ErrNoAgent, err))
	}
	return fmt.Errorf("ask the agent at %s: %w", c.path, err)
}

// hintError is a sentence for the user in place of the words of its cause.
type hintError struct {
	text  string
	cause error
}

func (e hintError) Error() string { return e.text }
func (e hintError) Unwrap() error { return e.cause }
