// SPDX-License-Identifier: Apache-2.0

//go:build vm

package guest

import (
	"fmt"
	"os"
	"os/signal"
	"testing"

	"golang.org/x/sys/unix"

	"sonde/testbed/kernels/report"
)

// asServer in the environment makes the test binary the other end of the traffic: a process of its own.
const asServer = "GUEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, "server:", err)
			os.Exit(1)
		}
		fmt.Println("ready")
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, unix.SIGTERM)
		<-stop
		return
	}
	if os.Getenv("SONDE_KERNEL") == "" {
		fmt.Fprintln(os.Stderr, "these tests change the network of the machine: they run in virtual machines alone")
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// artifact hands a text to the machine outside, which compares it with the committed one.
func artifact(name, text string) { _, _ = os.Stdout.WriteString(report.Artifact(name, text)) }
