// SPDX-License-Identifier: Apache-2.0

// Command kafka serves Kafka's protocol from memory (kfake), with the topic "orders" of one partition. It is a module of its
// own, so that nobody needs franz-go who does not run its test. Started by package apps.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

func main() {
	port := flag.Int("port", 0, "port of 127.0.0.1")
	flag.Parse()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(*port), kfake.SeedTopics(1, "orders"))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println("listening", c.ListenAddrs()[0])
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	<-ended
}
