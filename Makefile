# Build, test and lint. `make help` lists the targets; CONTRIBUTING.md explains them.

GO           ?= go
TEST_TIMEOUT ?= 30m
# How long `make fuzz` runs each fuzz test.
FUZZTIME     ?= 1m
# What `gatehouse version` prints; "devel" outside a git checkout.
VERSION      ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# The linter must match the version of Go, so it is built once for each version.
LINT := .cache/$(shell $(GO) env GOVERSION)/golangci-lint

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## build bin/gatehouse, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/gatehouse ./cmd/gatehouse

.PHONY: run
run: build ## build, then run a demonstration that needs no setup
	bin/gatehouse demo

# Flags for bench, such as BENCH='-only small,gatehouse -rounds 9'; `go run ./bench -h` lists them.
BENCH ?=

.PHONY: bench
bench: build ## compare with a bare proxy, HAProxy, nginx, Caddy: CPU per request, in bench/results (25 minutes)
	$(GO) run ./bench $(BENCH)

.PHONY: pgo
pgo: build ## renew the profile for optimised builds, cmd/gatehouse/default.pgo (a minute)
	$(GO) run ./bench -profile cmd/gatehouse/default.pgo

.PHONY: bench-quick
bench-quick: build ## like bench, in two minutes: small and large answers, tokens
	$(GO) run ./bench -quick $(BENCH)

.PHONY: test
test: ## run every test with the race detector and a real PostgreSQL; then ./proxy as it is shipped
	@tools/test-programs
	CGO_ENABLED=1 $(GO) test -pgo=off -race -timeout $(TEST_TIMEOUT) ./...
	@echo 'once more without the race detector, which replaces the system calls of proxy/http1/socket:'
	$(GO) test -pgo=off -timeout $(TEST_TIMEOUT) ./proxy/...

.PHONY: fuzz
fuzz: ## run every fuzz test for a minute (FUZZTIME); it saves failing inputs in testdata/fuzz
	@for package in $$($(GO) list ./...); do \
		names=$$($(GO) test -list '^Fuzz' $$package) || { echo "$$names"; exit 1; }; \
		for name in $$(echo "$$names" | grep '^Fuzz'); do \
			echo "=== $$package $$name"; \
			$(GO) test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

.PHONY: cover
cover: ## run every test and write the coverage to coverage.out
	@tools/test-programs
	$(GO) test -timeout $(TEST_TIMEOUT) -coverpkg ./... -coverprofile coverage.out ./...
	$(GO) tool cover -func coverage.out | tail -n 1

.PHONY: lint
lint: $(LINT) ## check formatting, style, go.mod and go.sum
	$(GO) mod tidy -diff
	$(GO) mod verify
	$(GO) vet ./...
	$(LINT) run ./...

.PHONY: fmt
fmt: $(LINT) ## format every Go file: gofumpt, goimports
	$(LINT) fmt ./...

.PHONY: clean
clean: ## remove what was built, except the linter, which takes minutes to build
	rm -rf bin coverage.out

$(LINT): tools/go.mod tools/go.sum
	@echo 'building golangci-lint, once: two minutes on two idle processors, up to seven on busy ones'
	cd tools && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
