// SPDX-License-Identifier: Apache-2.0

package probes

//go:generate go tool bpf2go -target amd64,arm64 -type sock_state payload bpf/payload.bpf.c -- -O2 -g -mcpu=v3 -Wall -Werror -Ibpf -I/usr/include/x86_64-linux-gnu
//go:generate go tool bpf2go -target amd64,arm64 conn bpf/conn.bpf.c -- -O2 -g -mcpu=v3 -Wall -Werror -Ibpf -I/usr/include/x86_64-linux-gnu
//go:generate go tool bpf2go -target amd64,arm64 packet bpf/packet.bpf.c -- -O2 -g -mcpu=v3 -Wall -Werror -Ibpf -I/usr/include/x86_64-linux-gnu
//go:generate go tool bpf2go -target amd64,arm64 -type go_layout golang bpf/golang.bpf.c -- -O2 -g -mcpu=v3 -Wall -Werror -Ibpf -I/usr/include/x86_64-linux-gnu
