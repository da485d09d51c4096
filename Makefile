# The workshop. `make help` lists what can be made; CONTRIBUTING.md says more.

GO           ?= go
TEST_TIMEOUT ?= 8m
# What `gatehouse version` tells, and "devel" outside a git checkout.
VERSION      ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# The linter is built once for each version of Go, which it has to match.
LINT := .cache/$(shell $(GO) env GOVERSION)/golangci-lint

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## build bin/gatehouse, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/gatehouse ./cmd/gatehouse

.PHONY: run
run: build ## build, then try it: bin/gatehouse demo, with nothing to set up
	bin/gatehouse demo

.PHONY: test
test: ## run every test with the race detector, against a real PostgreSQL too
	@tools/test-programs
	CGO_ENABLED=1 $(GO) test -race -timeout $(TEST_TIMEOUT) ./...

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
	@echo 'building golangci-lint, once: this takes a minute or two'
	cd tools && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
