// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"context"
	"os"
)

// Cached returns the path of the program where it is built already, for tests that are not worth the minutes of a build. ok is
// false where it is not.
func Cached(ctx context.Context, p Program) (bin string, ok bool) {
	source, err := folder(ctx, p)
	if err != nil {
		return "", false
	}
	if bin, err = p.cached(source); err != nil {
		return "", false
	}
	_, err = os.Stat(bin)
	return bin, err == nil
}
