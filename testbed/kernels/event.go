// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Event is one line of `go tool test2json`, go doc cmd/test2json.
type Event struct {
	Action  string // run, output, pass, fail, skip ...
	Test    string // "TestX/part"; empty for the binary as a whole
	Output  string
	Elapsed float64 // seconds
}

func decode(r io.Reader, tell func(Event)) error {
	d := json.NewDecoder(bufio.NewReader(r))
	for {
		var e Event
		switch err := d.Decode(&e); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the events of the tests: %w", err)
		}
		tell(e)
	}
}
