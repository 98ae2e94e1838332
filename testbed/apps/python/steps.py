# SPDX-License-Identifier: Apache-2.0
"""A client that does what its standard input says, one step a line, and answers each with a line.

The answer is a JSON list: the nanoseconds of every call of the step that was timed, or nothing. A step that fails ends the
program, and the test with it. Every client of this folder that speaks another protocol than HTTP is written with it.
"""

import json
import sys
import time


def timed(n, call):
    """Calls n times and returns how long each took, in nanoseconds."""
    took = []
    for i in range(n):
        began = time.monotonic_ns()
        call(i)
        took.append(time.monotonic_ns() - began)
    return took


def serve(**steps):
    for line in sys.stdin:
        name, *args = line.split()
        took = steps[name](*(int(a) if a.isdigit() else a for a in args))
        print(json.dumps(took or []), flush=True)
