// SPDX-License-Identifier: Apache-2.0

// Package terminal drives a program in a real terminal, as a person at a keyboard would: it presses keys and reads the screen.
//
// The terminal is tmux, a server of its own for each Terminal, so that nothing of the developer's own sessions is touched. What is
// on the screen is what tmux made of the program's output: escape sequences are understood by a program that others wrote. It
// does not know what it drives, and it looks at no pixels. Who calls it: testbed/e2e and testbed/screens.
package terminal
