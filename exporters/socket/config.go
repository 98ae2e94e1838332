// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"fmt"
	"time"
)

// DefaultPath is where both sides look without being told.
const DefaultPath = "/run/sonde/sonde.sock"

// DefaultGroup is the group whose members may look.
const DefaultGroup = "sonde"

// maxPath is the room of sockaddr_un for a path, less the zero at its end (unix(7)).
const maxPath = 107

// Config says where a world is served, to whom, and how much of the agent its viewers may take.
type Config struct {
	Path  string
	Group string // that may connect, beside root and the owner; one that does not exist is nobody

	MaxConns    int           // connections that are served at a time
	MaxLarge    int           // answers of more than LargeRows rows that are made or sent at a time
	ReadTimeout time.Duration // for the head of a request, and for all of it
	Answer      time.Duration // for an answer: to be made, and to be taken by the peer
	Idle        time.Duration // that a connection may be without a request
}

// LargeRows is the number of rows up to which an answer never has to wait for another: five times what a screen asks for.
const LargeRows = 1000

// Default returns bounds that hold memory below 60 MB when every peer asks for as much as it can and reads none of it: a row takes
// about 400 bytes.
func Default() Config {
	return Config{
		Path: DefaultPath, Group: DefaultGroup, MaxConns: 64, MaxLarge: 2,
		ReadTimeout: 5 * time.Second, Answer: 5 * time.Second, Idle: 2 * time.Minute,
	}
}

// Validate says in one sentence what is wrong.
func (c Config) Validate() error {
	if c.MaxConns < 1 || c.MaxLarge < 1 {
		return fmt.Errorf("socket for viewers: %d connections, %d large answers at a time: want 1 or more", c.MaxConns, c.MaxLarge)
	}
	if c.ReadTimeout <= 0 || c.Answer <= 0 || c.Idle <= 0 {
		return fmt.Errorf("socket for viewers: a time limit of 0: want more")
	}
	return checkPath(c.Path)
}

func checkPath(path string) error {
	switch {
	case path == "":
		return fmt.Errorf("path of the socket for viewers is empty: give one like %s", DefaultPath)
	case len(path) > maxPath:
		return fmt.Errorf("path of the socket for viewers has %d bytes, and a socket's path at most %d: %s", len(path), maxPath, path)
	}
	return nil
}
