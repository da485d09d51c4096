package main

// This file starts programs and ends them again.

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Patience with a program, at its start and at its end.
const (
	startPatience = 30 * time.Second
	stopPatience  = 5 * time.Second
	askEvery      = 20 * time.Millisecond
)

// process is a program that runs until stop.
type process struct {
	pid    int
	folder string // its logs are here, as *.log
	stop   func() // returns when it has ended
	ended  <-chan struct{}
}

// command is a program to start.
type command struct {
	folder string   // made if need be; what it writes by itself goes to output.log there
	path   string   // of the program
	args   []string //
	env    []string // besides the environment of this process, in which no GATEWAY_* is passed on
}

// start runs the program until the context ends or it is stopped: by SIGTERM, or hard when it takes no notice.
func (c command) start(ctx context.Context) (*process, error) {
	if err := os.MkdirAll(c.folder, 0o755); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	output, err := os.OpenFile(filepath.Join(c.folder, "output.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make a log: %w", err)
	}
	defer output.Close() // the program has its own
	ctx, cancel := context.WithCancel(ctx)
	cmd := c.prepare(ctx)
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start %s: %w", c.path, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // whoever waits for it to answer tells why it did not
	}()
	return &process{pid: cmd.Process.Pid, folder: c.folder, ended: ended, stop: func() {
		cancel()
		<-ended
	}}, nil
}

func (c command) prepare(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Dir = c.folder
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopPatience
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "GATEWAY_") && !strings.HasPrefix(entry, "PORT=") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	cmd.Env = append(cmd.Env, c.env...)
	return cmd
}

// run runs the program to its end, with something to read.
func (c command) run(ctx context.Context, input io.Reader) error {
	if err := os.MkdirAll(c.folder, 0o755); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	cmd := c.prepare(ctx)
	cmd.Stdin = input
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w: %s", filepath.Base(c.path), err, lastLines(said))
	}
	return nil
}

// answers waits until the process answers a request with 200.
func (p *process) answers(ctx context.Context, client *http.Client, request *http.Request) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	last := ""
	for {
		response, err := client.Do(request.Clone(ctx))
		if err != nil {
			last = err.Error()
		} else {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			last = response.Status
		}
		select {
		case <-tick.C:
		case <-p.ended:
			return fmt.Errorf("it ended: %s", p.tail())
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %s: %s", last, p.tail())
		}
	}
}

// tail is the end of what the process said.
func (p *process) tail() string {
	said, err := os.ReadFile(filepath.Join(p.folder, "output.log"))
	if err != nil {
		return err.Error()
	}
	return lastLines(said)
}

func lastLines(said []byte) string {
	const lines = 3
	all := bytes.Split(bytes.TrimSpace(said), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte(" | ")))
}

// dropLogs empties the logs, which would fill the disk otherwise. Programs append to them.
func (p *process) dropLogs() {
	logs, _ := filepath.Glob(filepath.Join(p.folder, "*.log"))
	for _, log := range logs {
		_ = os.Truncate(log, 0)
	}
}

// freeAddress is one on loopback that nobody listens on at the moment. Its port is below those that the kernel gives to
// whoever asks for any (32768 and up on Linux): such a one may be taken again before a gateway has started.
func freeAddress() (string, error) {
	const lowest, highest, attempts = 20000, 32000, 100
	var err error
	for range attempts {
		var listener net.Listener
		address := fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(highest-lowest))
		if listener, err = net.Listen("tcp", address); err == nil {
			return address, listener.Close()
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}
