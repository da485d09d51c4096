package main

// These tests run the whole harness, with very small numbers, so that it cannot rot.

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// buildGatehouse builds the gateway, and has the harness build its programs, in the way in which this test was built:
// the packages are compiled already then.
func buildGatehouse(t *testing.T) string {
	t.Helper()
	t.Setenv("GOFLAGS", os.Getenv("GOFLAGS")+" -buildvcs=false")
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Setenv("GOFLAGS", os.Getenv("GOFLAGS")+" -race")
		t.Setenv("CGO_ENABLED", "1")
		t.Setenv("GORACE", "atexit_sleep_ms=0") // otherwise each program takes a second more to end
	}
	file := filepath.Join(t.TempDir(), "gatehouse")
	build := exec.CommandContext(t.Context(), "go", "build", "-pgo=off", "-o", file, "gatehouse/cmd/gatehouse")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the gateway: %v: %s", err, said)
	}
	return file
}

// cheapStart spares the gateway seconds at its start under the race detector. Nobody logs in.
const cheapStart = "GATEWAY_BCRYPT_COST=4"

func TestHarness(t *testing.T) {
	gatehouse := buildGatehouse(t)
	t.Run("measures", func(t *testing.T) { testMeasures(t, gatehouse) })
	t.Run("measures several servers", func(t *testing.T) { testMeasuresServers(t, gatehouse) })
	t.Run("is interrupted", func(t *testing.T) { testInterrupted(t, gatehouse) })
}

func testMeasures(t *testing.T, gatehouse string) {
	results := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	err := run(t.Context(), []string{
		"-rounds", "1", "-seconds", "0.2", "-connections", "4", "-idle", "16", "-out", results, "-gatehouse", gatehouse, "-set", cheapStart,
		"-only", "small,upload,idle,websocket,tls,gatehouse strict",
	}, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	page, err := os.ReadFile(filepath.Join(results, "latest.md"))
	if err != nil {
		t.Fatal(err)
	}
	if rows := strings.Count(string(page), "\n| gatehouse strict "); rows != 5 || strings.Contains(out.String(), "left out") {
		t.Errorf("%d of 5 workloads were measured on a strict route:\n%s", rows, &out)
	}
	for line := range strings.Lines(string(page)) { // the last column counts what failed; the idle ones have none
		if cells := strings.Split(line, "|"); len(cells) == 11 && strings.Contains(cells[1], "gatehouse") && strings.TrimSpace(cells[9]) != "0" {
			t.Errorf("requests failed: %s", line)
		}
	}
	if _, err := os.Stat(filepath.Join(results, "latest.svg")); err != nil {
		t.Error(err)
	}
	nothingIsLeft(t)
}

// testMeasuresServers has the gateways of this machine measured, too: their configurations have a part for several servers.
func testMeasuresServers(t *testing.T, gatehouse string) {
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	err := run(t.Context(), []string{
		"-rounds", "1", "-seconds", "0.2", "-connections", "4", "-out", t.TempDir(), "-gatehouse", gatehouse, "-set", cheapStart,
		"-only", "servers300,gatehouse none,gatehouse URL,haproxy,nginx,caddy",
	}, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, name := range []string{"gatehouse none", "gatehouse URL"} {
		if rows := strings.Count(out.String(), "\n  "+name+" "); rows != 1 {
			t.Errorf("%s was measured %d times, want once", name, rows)
		}
	}
	for line := range strings.Lines(out.String()) {
		cells := strings.Fields(line)
		if strings.Contains(line, "left out") || strings.Contains(line, "..") && cells[0] != "gateway" && cells[len(cells)-1] != "0" {
			t.Errorf("requests failed: %s", line)
		}
	}
	nothingIsLeft(t)
}

// cancelOn ends a run as ctrl-C does, when something was printed.
type cancelOn struct {
	bytes.Buffer
	text   string
	cancel context.CancelFunc
}

// Write implements io.Writer.
func (c *cancelOn) Write(printed []byte) (int, error) {
	if strings.Contains(string(printed), c.text) {
		c.cancel()
	}
	return c.Buffer.Write(printed)
}

func testInterrupted(t *testing.T, gatehouse string) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	out := &cancelOn{text: "round 1", cancel: cancel}
	err := run(ctx, []string{"-rounds", "9", "-seconds", "0.1", "-connections", "2", "-only", "small,gatehouse strict", "-out", t.TempDir(), "-gatehouse", gatehouse, "-set", cheapStart}, out)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was interrupted\n%s", err, out)
	}
	nothingIsLeft(t)
}

// nothingIsLeft holds that the folder for temporary files is empty again.
func nothingIsLeft(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("%s is left in the folder for temporary files", entry.Name())
	}
}

func TestOptions(t *testing.T) {
	quick, err := parseOptions([]string{"-quick"})
	if err != nil {
		t.Fatal(err)
	}
	got := names(quick.workloads, func(w workload) string { return w.name })
	if got != "small, tokens, 1MiB" || quick.rounds != 3 {
		t.Errorf("got %s in %d rounds", got, quick.rounds)
	}
	one, err := parseOptions([]string{"-only", "tls, haproxy jwt"})
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for _, c := range contenders() {
		if one.wants(c) {
			kept = append(kept, c.name)
		}
	}
	if len(one.workloads) != 1 || one.workloads[0].name != "tls" || !slices.Equal(kept, []string{bareName, bareTokenName, "haproxy jwt"}) {
		t.Errorf("got %d workloads of %q", len(one.workloads), kept)
	}
	for _, wrong := range [][]string{{"-only", "smal"}, {"-rounds", "-1"}, {"small"}, {"-connections", "0"}, {"-set", "GOGC"}} {
		if _, err := parseOptions(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
