// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"sonde/probes/hooks"
)

// attach attaches every hook of the plan that belongs to no interface, and starts the watch of interfaces for the others.
func (s *Set) attach(plan hooks.Plan) error {
	var packet []hooks.Hook
	for _, h := range plan.Hooks {
		if !s.uses(h) {
			continue
		}
		if h.Kind == hooks.TCX || h.Kind == hooks.Clsact {
			packet = append(packet, h)
			continue
		}
		l, err := s.attachOne(h)
		if err != nil {
			return fmt.Errorf("attach %s at %s %s: %w", h.Probe, h.Kind, h.Target, err)
		}
		s.links = append(s.links, l)
	}
	if len(packet) == 0 || !s.config.PacketFlows {
		return nil
	}
	w, err := s.watchInterfaces(packet)
	if err != nil {
		return err
	}
	s.watcher = w
	return nil
}

func (s *Set) attachOne(h hooks.Hook) (link.Link, error) {
	p := s.programs[h.Program]
	if p == nil {
		return nil, fmt.Errorf("program %s is not loaded", h.Program)
	}
	switch h.Kind {
	case hooks.CgroupSKB:
		return link.AttachCgroup(link.CgroupOptions{Path: h.Target, Attach: cgroupDirection(h), Program: p})
	case hooks.RawTracepoint:
		return link.AttachRawTracepoint(link.RawTracepointOptions{Name: h.Target, Program: p})
	case hooks.Fentry:
		return link.AttachTracing(link.TracingOptions{Program: p})
	case hooks.Kprobe:
		return link.Kprobe(h.Target, p, nil)
	}
	return nil, errors.New("no way to attach this kind of hook")
}

func cgroupDirection(h hooks.Hook) ebpf.AttachType {
	if h.Probe == "payload_ingress" {
		return ebpf.AttachCGroupInetIngress
	}
	return ebpf.AttachCGroupInetEgress
}
