package main

// This file names the machine.

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine returns the processor, memory, kernel and Go.
func machine() string {
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo")
	meminfo, _ := os.ReadFile("/proc/meminfo")
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%s, %d CPUs, %.0f GiB, Linux %s, %s",
		processor(cpuinfo), runtime.NumCPU(), float64(statusBytes(meminfo, "MemTotal"))/(1<<30),
		majorMinor(string(release)), runtime.Version())
}

// processor is the first "model name", or the architecture where there is none.
func processor(cpuinfo []byte) string {
	for line := range bytes.Lines(cpuinfo) {
		name, value, _ := strings.Cut(string(line), ":")
		if strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// majorMinor leaves out what only distributions tell apart.
func majorMinor(release string) string {
	parts := strings.SplitN(strings.TrimSpace(release), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}
