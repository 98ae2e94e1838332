# SPDX-License-Identifier: Apache-2.0
# `make help` lists the targets; a line of help is the ## comment behind a target.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
MAKEFLAGS += --no-print-directory
export PATH := $(PATH):/usr/sbin:/sbin

GO ?= go
T ?= 30s
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
ROOT := $(shell [ "$$(id -u)" = 0 ] && [ "$$(uname -s)" = Linux ] && echo yes)
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

# The compiler of the committed objects. Another version gives other bytes, and check-generate would fail.
CLANG := clang-14
LLVM_STRIP := llvm-strip-14
CLANG_FORMAT := clang-format-14
CLANG_PACKAGES := clang-14 llvm-14 libbpf-dev
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# What the tests run against: probe (a command, or a file when it begins with /) and the Debian package that has it.
# The C programs of the testbed need a libc to compile against. uvicorn is asked of Debian's Python: others do not see it.
TEST_DEPS := nginx=nginx-light wrk=wrk curl=curl node=nodejs ip=iproute2 nft=nftables ping=iputils-ping taskset=util-linux \
	gcc=gcc /usr/include/stdlib.h=libc6-dev clang=clang llvm-strip=llvm /usr/include/bpf/bpf_helpers.h=libbpf-dev \
	bpftool=bpftool jq=jq psql=postgresql mariadbd=mariadb-server mariadb=mariadb-client redis-server=redis-server memcached=memcached promtool=prometheus \
	mosquitto=mosquitto mosquitto_pub=mosquitto-clients nats-server=nats-server rabbitmqctl=rabbitmq-server h2load=nghttp2-client \
	dnsmasq=dnsmasq-base dig=dnsutils kcat=kcat pgrep=procps /usr/bin/python3=python3 /usr/lib/python3/dist-packages/uvicorn=python3-uvicorn \
	/usr/lib/python3/dist-packages/psycopg=python3-psycopg /usr/lib/python3/dist-packages/pymysql=python3-pymysql \
	/usr/lib/python3/dist-packages/pika=python3-pika /usr/lib/python3/dist-packages/paho=python3-paho-mqtt \
	/usr/lib/python3/dist-packages/redis=python3-redis /usr/share/doc/libdbd-mariadb-perl=libdbd-mariadb-perl \
	javac=openjdk-17-jdk-headless prometheus=prometheus promtool=prometheus tmux=tmux less=less setpriv=util-linux \
	zsh=zsh fish=fish

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 20

.PHONY: build
build: ## build ./sonde, one static binary (needs Go alone)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o sonde ./cmd/sonde

.PHONY: run
run: build ## build, then show live flows and requests of this machine (sudo when not root)
	@echo 'Watching this machine; Ctrl-C ends it. To see something, in another terminal:'
	@echo '  python3 -m http.server 8000 --bind 127.0.0.1 & sleep 1; curl -s http://127.0.0.1:8000/ >/dev/null'
	@$(SUDO) ./sonde observe

.PHONY: test
test: deps-test ## all tests: unit tests, and as root the kernel tests too; installs what they need
	$(GO) vet ./...
	$(GO) test ./...
	@if [ -n "$${CI:-}" ] && command -v $(CLANG) >/dev/null; then $(MAKE) check-generate; fi
	@if [ -n '$(ROOT)' ]; then $(MAKE) test-kernel; fi

.PHONY: test-kernel
test-kernel: ## tests against the running kernel (root)
	@$(GO) run ./testbed/backends/build otelcol
	$(GO) test -tags kernel -count=1 -p 1 -timeout 45m ./testbed/e2e/... ./probes/...

# apt starts what it installs; policy-rc.d keeps nginx from taking port 80 of the developer's machine.
.PHONY: deps-test
deps-test: ## install what the tests need (Debian, root; otherwise says what is missing)
	@missing=; \
	for dep in $(TEST_DEPS); do \
		probe=$${dep%%=*}; package=$${dep#*=}; \
		case $$probe in /*) [ -e $$probe ];; *) command -v $$probe >/dev/null;; esac || missing="$$missing $$package"; \
	done; \
	if [ -z '$(ROOT)' ]; then \
		echo "not root: unit tests only$${missing:+; the kernel tests would need:$$missing}"; exit 0; \
	fi; \
	[ -n "$$missing" ] || exit 0; \
	command -v apt-get >/dev/null || { echo "no apt-get here; please install:$$missing"; exit 1; }; \
	if [ ! -e /usr/sbin/policy-rc.d ]; then \
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT; \
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -q && apt-get install -qy --no-install-recommends $$missing

.PHONY: backends
backends: deps-test ## build and cache an OpenTelemetry Collector, which tests send to; Prometheus is a package
	$(GO) run ./testbed/backends/build otelcol

.PHONY: backends-slow
backends-slow: backends ## the same with Jaeger, Prometheus 3 and a larger collector: ten minutes once
	$(GO) run ./testbed/backends/build otelcol-gateway prometheus3 jaeger

.PHONY: test-backends-slow
test-backends-slow: backends-slow ## tests against Jaeger, Prometheus 3 and the gateway collector (root)
	$(GO) test -tags kernel,slow -count=1 -timeout 25m -run "^TestSlow(Jaeger|Prometheus3|Gateway)" ./testbed/e2e

.PHONY: generate
generate: clang-pinned ## rebuild the BPF objects and their Go bindings
	BPF2GO_CC=$(CLANG) BPF2GO_STRIP=$(LLVM_STRIP) $(GO) generate ./probes/...

.PHONY: check-generate
check-generate: generate ## fail when the committed objects are not what the sources give
	git diff --exit-code -- probes
	@new=$$(git ls-files --others --exclude-standard -- probes); \
	[ -z "$$new" ] || { echo "generated and not committed: $$new"; exit 1; }

.PHONY: clang-pinned
clang-pinned:
	@command -v $(CLANG) >/dev/null && command -v $(LLVM_STRIP) >/dev/null && [ -e /usr/include/bpf/bpf_helpers.h ] || \
		{ echo 'the BPF objects are built with $(CLANG) of Debian 12: apt-get install $(CLANG_PACKAGES)'; exit 1; }
	@$(CLANG) --version | grep -q 'clang version 14\.0\.6' || \
		{ echo "$(CLANG) is $$($(CLANG) --version | head -1), the objects are built with 14.0.6 of Debian 12"; exit 1; }

.PHONY: fuzz
fuzz: ## every fuzz target in turn, T each: make fuzz T=30s
	@grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -rn1 dirname | sort -u | while read -r dir; do \
		grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$$dir"/*_test.go | cut -c6- | while read -r target; do \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(T) "$$dir" </dev/null; \
		done; \
	done

.PHONY: corpora
corpora: ## what sonde says of captures by other projects against what those say, as a table ($$SONDE_CORPORA)
	@cd testbed/corpora && $(GO) test -count=1
	@$(GO) test -count=1 -v -run FixturesOfLLHTTP ./agent/protocol/http1 | sed -n 's/^ *corpus_test.go:[0-9]*: \(.*agree with llhttp.*\)/\1/p; /^FAIL/p'

.PHONY: bench
bench: ## what sonde costs the observed server, as ratios in one interleaved run (root)
	$(GO) run ./testbed/bench
	$(GO) run ./testbed/bench/spans

.PHONY: bench-spans
bench-spans: ## processor time for each span exported over OTLP, at 50,000 a second and at most
	$(GO) run ./testbed/bench/spans

.PHONY: bench-engine
bench-engine: ## how many requests a second one core parses, from a recorded run of 100,000 (root)
	$(GO) run ./testbed/bench/engine

.PHONY: bench-top
bench-top: ## what a refresh of the viewer costs at 20,000 requests/s and 10,000 connections
	$(GO) run ./testbed/bench/top

.PHONY: screens
screens: deps-test ## the pictures of README.md, from a real run of `sonde top` (root)
	$(GO) run ./testbed/screens

.PHONY: lint
lint: ## go vet, golangci-lint, clang-format
	$(GO) vet -tags kernel,slow ./...
	@if command -v golangci-lint >/dev/null; then golangci-lint run; else $(GO) run $(GOLANGCI) run; fi
	@command -v $(CLANG_FORMAT) >/dev/null || { echo 'apt-get install $(CLANG_FORMAT)'; exit 1; }
	@find probes testbed -path '*/vmlinux/*' -prune -o \( -name '*.[ch]' ! -name vmlinux.h \) -print0 | \
		xargs -r0 $(CLANG_FORMAT) --dry-run -Werror

.PHONY: clean
clean: ## remove what build left
	rm -f sonde

# Debian's kernels, each in a machine that QEMU emulates. The packages of the kernels are fetched by apt and cached.
VM_DEPS := qemu-system-x86_64=qemu-system-x86 depmod=kmod xz=xz-utils cpio=cpio gcc=gcc /usr/include/stdlib.h=libc6-dev nft=nftables

.PHONY: test-kernels
test-kernels: ## sonde on Debian's kernels 5.10 to the newest, emulated: make test-kernels KERNEL=5.10,6.1 (FULL=1, UPDATE=1, REFRESH=1)
	@$(MAKE) deps-test TEST_DEPS='$(VM_DEPS)'
	$(GO) run ./testbed/kernels/run -kernels '$(KERNEL)' $(if $(FULL),-full) $(if $(UPDATE),-update) $(if $(REFRESH),-refresh)
