package main

// This file reads what a process and its children have used, from the kernel's accounts (proc(5)).

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc, the same for all of Linux.
const tick = time.Second / 100

// usage is what the processes have used up to now.
type usage struct {
	cpu            time.Duration // user and system, children that have ended included
	resident, peak int64         // bytes, pages that several processes share counted for each
}

// usageOf reads that of a process and all below it.
func usageOf(pid int) (usage, error) {
	var sum usage
	family, err := familyOf(pid)
	if err != nil {
		return sum, err
	}
	for _, one := range family {
		text, err := os.ReadFile(procFile(one.pid, "status"))
		if err != nil {
			return sum, fmt.Errorf("read memory of the gateway: %w", err)
		}
		sum.cpu += one.cpu
		sum.resident += statusBytes(text, "VmRSS")
		sum.peak += statusBytes(text, "VmHWM")
	}
	return sum, nil
}

// forgetPeak lets the peaks begin anew, where the kernel allows it.
func forgetPeak(pid int) {
	family, _ := familyOf(pid)
	for _, one := range family {
		_ = os.WriteFile(procFile(one.pid, "clear_refs"), []byte("5"), 0)
	}
}

// account is a line of /proc/PID/stat, as far as it matters here.
type account struct {
	pid, parent int
	cpu         time.Duration
}

// familyOf finds a process and its descendants.
func familyOf(pid int) ([]account, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]account{}
	var family []account
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		one, err := parseStat(string(line))
		switch {
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", file, err)
		case one.pid == pid:
			family = append(family, one)
		default:
			children[one.parent] = append(children[one.parent], one)
		}
	}
	if len(family) == 0 {
		return nil, fmt.Errorf("process %d is not there", pid)
	}
	for i := 0; i < len(family); i++ {
		family = append(family, children[family[i].pid]...)
	}
	return family, nil
}

// parseStat reads "pid (name) state parent …". The name may hold anything, brackets and spaces too.
func parseStat(line string) (account, error) {
	pid, rest, _ := strings.Cut(line, " (")
	end := strings.LastIndex(rest, ") ")
	if end < 0 {
		return account{}, fmt.Errorf("no name in %q", line)
	}
	fields := strings.Fields(rest[end+2:]) // from the third on: state
	const parent, utime, cstime = 4 - 3, 14 - 3, 17 - 3
	if len(fields) <= cstime {
		return account{}, fmt.Errorf("%d fields in %q", len(fields), line)
	}
	var one account
	var err error
	if one.pid, err = strconv.Atoi(pid); err != nil {
		return account{}, err
	}
	if one.parent, err = strconv.Atoi(fields[parent]); err != nil {
		return account{}, err
	}
	for _, field := range fields[utime : cstime+1] { // utime, stime, cutime, cstime
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return account{}, err
		}
		one.cpu += time.Duration(ticks) * tick
	}
	return one, nil
}

// statusBytes finds "name:   123 kB" in /proc/PID/status.
func statusBytes(text []byte, name string) int64 {
	for line := range bytes.Lines(text) {
		if value, found := bytes.CutPrefix(line, []byte(name+":")); found {
			kibibytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(string(value)), " kB"), 10, 64)
			return kibibytes << 10
		}
	}
	return 0
}

func procFile(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }
