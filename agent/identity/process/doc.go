// SPDX-License-Identifier: Apache-2.0

// Package process says who is behind a PID: executable, cgroup, container, systemd unit and the name that metrics and
// traces use.
//
// It reads procfs and nothing else: no container runtime is asked, no Kubernetes, no network. The agent calls it with
// what the kernel reports: Lookup for each event, Exec and Exit for the life of a process, Seen where a process was too
// short-lived to be read. It is for live sources; a recording carries the identities that were known when it was made.
//
// # What is read
//
//   - stat: start time, kernel thread or not, and the comm, which may hold spaces and brackets
//   - exe: the path of the executable, without the " (deleted)" that the kernel appends after an upgrade
//   - cmdline: argv[0] and no further. Programs that rewrite it with a title ("nginx: master process nginx -g ...") put
//     arguments there too, so a title is cut at its first space
//   - cgroup: the path, and the container and systemd unit that it names
//   - environ: OTEL_SERVICE_NAME and the service.name of OTEL_RESOURCE_ATTRIBUTES, as they were at exec; nothing else
//     of the environment is looked at or kept
//
// # Service name
//
// Process.ServiceName is the first of these that is known, and never empty:
//
//  1. OTEL_SERVICE_NAME
//  2. service.name in OTEL_RESOURCE_ATTRIBUTES, percent-decoded
//  3. the systemd unit without ".service" and with its \x escapes undone ("nginx"), but not user@1000.service, which
//     holds everything a user runs, and not the unit of a container runtime for the processes in its containers
//  4. the base name of the executable. Interpreters are no exception: a Python service is "python3", because what it
//     runs stands in its arguments, and arguments hold secrets. OTEL_SERVICE_NAME or a unit gives it a better name
//  5. the kernel's comm, where the executable cannot be read (kernel threads, processes that are gone)
//  6. "unknown"
//
// # Containers
//
// The container is the last one that the cgroup path names: in Docker in Docker or kind that is the inner one. Monitors
// (conmon) are not containers. Where a path names a container and not who runs it (a bare id below /kubepods may be
// containerd's or Docker's), Runtime is empty. Ids chosen by people, as with "runc run web", look like any other cgroup
// and are not recognised, except in containerd's own namespaces ("/default/web").
//
// # Limits
//
// A PID that died and was given out again is told apart by its start time, in ticks of 10 ms. Lookup trusts what it has
// until Exec, Exit or Sweep says otherwise, so a process whose exec record was lost has its old name until then.
package process
