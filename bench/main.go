package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// leaveProcessors has the load take half of the processors: on all of them it would mostly wait for itself, and take
// the gateways' turns while it does.
func leaveProcessors() { runtime.GOMAXPROCS(max(1, runtime.NumCPU()/2)) }

// run reads the command line, measures, prints as it goes and writes the results.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	leaveProcessors()
	folder, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()

	r, err := prepare(ctx, o, folder, out)
	if err != nil {
		return err
	}
	defer r.close()
	if o.profile != "" {
		return r.writeProfile(ctx, o.profile)
	}
	results, err := r.measureAll(ctx)
	if err != nil {
		return err
	}
	return writeResults(o, r.about, results, out)
}
