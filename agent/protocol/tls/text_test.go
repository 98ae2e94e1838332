// SPDX-License-Identifier: Apache-2.0

package tls

import (
	"fmt"

	"sonde/agent/model"
)

// text is a detail as a line.
func text(f model.TLS) string { return fmt.Sprintf("%+v", f) }
