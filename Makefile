# The workshop. `make help` lists what can be made; CONTRIBUTING.md says more.

GO           ?= go
TEST_TIMEOUT ?= 30m
# How long `make fuzz` tries each parser.
FUZZTIME     ?= 1m
# What `gatehouse version` tells, and "devel" outside a git checkout.
VERSION      ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# The linter is built once for each version of Go, which it has to match.
LINT := .cache/$(shell $(GO) env GOVERSION)/golangci-lint

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## build bin/gatehouse, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/gatehouse ./cmd/gatehouse

.PHONY: run
run: build ## build, then try it: bin/gatehouse demo, with nothing to set up
	bin/gatehouse demo

# Flags for bench, such as BENCH='-only small,gatehouse -rounds 9'; `go run ./bench -h` lists them.
BENCH ?=

.PHONY: bench
bench: build ## compare with a bare proxy, HAProxy, nginx, Caddy: CPU per request, in bench/results (20 minutes)
	$(GO) run ./bench $(BENCH)

.PHONY: pgo
pgo: build ## renew the profile that builds are optimised by, cmd/gatehouse/default.pgo (a minute)
	$(GO) run ./bench -profile cmd/gatehouse/default.pgo

.PHONY: bench-quick
bench-quick: build ## the same in two minutes: small and large answers, tokens
	$(GO) run ./bench -quick $(BENCH)

.PHONY: test
test: ## run every test with the race detector, against a real PostgreSQL too; ./proxy also as it is shipped
	@tools/test-programs
	CGO_ENABLED=1 $(GO) test -pgo=off -race -timeout $(TEST_TIMEOUT) ./...
	@echo 'once more without the race detector, which replaces the system calls of proxy/http1/socket:'
	$(GO) test -pgo=off -timeout $(TEST_TIMEOUT) ./proxy/...

.PHONY: fuzz
fuzz: ## try every fuzz test for a minute (FUZZTIME); what it finds goes into testdata/fuzz
	@for package in $$($(GO) list ./...); do \
		names=$$($(GO) test -list '^Fuzz' $$package) || { echo "$$names"; exit 1; }; \
		for name in $$(echo "$$names" | grep '^Fuzz'); do \
			echo "=== $$package $$name"; \
			$(GO) test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

.PHONY: cover
cover: ## run every test and show what it covers, in coverage.out
	@tools/test-programs
	$(GO) test -timeout $(TEST_TIMEOUT) -coverpkg ./... -coverprofile coverage.out ./...
	$(GO) tool cover -func coverage.out | tail -n 1

.PHONY: lint
lint: $(LINT) ## check formatting, habits, and that go.mod and go.sum are right
	$(GO) mod tidy -diff
	$(GO) mod verify
	$(GO) vet ./...
	$(LINT) run ./...

.PHONY: fmt
fmt: $(LINT) ## format every Go file: gofumpt, goimports
	$(LINT) fmt ./...

.PHONY: clean
clean: ## remove what was built, but not the linter: it takes minutes
	rm -rf bin coverage.out

$(LINT): tools/go.mod tools/go.sum
	@echo 'building golangci-lint, once: two minutes on two idle processors, up to seven on busy ones'
	cd tools && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
