// SPDX-License-Identifier: Apache-2.0

package batch

import (
	"log/slog"
	"time"
)

// logInterval is the least time between two errors in the log: a receiver that is down fails every batch.
const logInterval = 10 * time.Second

// errorLog writes some errors and counts the others.
type errorLog struct {
	logger   *slog.Logger
	written  time.Time
	withheld int
}

func (l *errorLog) write(err error) {
	if err == nil || l.logger == nil {
		return
	}
	now := time.Now()
	if !l.written.IsZero() && now.Sub(l.written) < logInterval {
		l.withheld++
		return
	}
	l.logger.Warn("spans are not exported", "error", err, "more_errors", l.withheld)
	l.written, l.withheld = now, 0
}
