package main

// This file reads the command line.

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// options say what is measured, and for how long.
type options struct {
	rounds      int
	length      time.Duration // of one measurement
	requests    int64         // at most so many in one measurement; 0 is no bound
	connections int           // where the workload does not say otherwise
	idle        int           // connections that are only held
	quick       bool
	out         string   // folder of the results
	gatehouse   string   // the built program
	profile     string   // the file to write a CPU profile to, instead of measuring
	settings    []string // NAME=VALUE, for its environment
	workloads   []workload
	only        []string // names of gateways besides the bare proxy; empty is all of them
}

// name is that of the files of the results.
func (o options) name() string {
	if o.quick {
		return "quick"
	}
	return "latest"
}

// wants tells whether a gateway takes part at all. The bare proxy always does: the others are held against it.
func (o options) wants(c contender) bool {
	return len(o.only) == 0 || c.isBare() || slices.ContainsFunc(o.only, c.is)
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(os.Stderr)
	flags.IntVar(&o.rounds, "rounds", 0, "how often each gateway is measured (default 5, quick 3)")
	seconds := flags.Float64("seconds", 0, "how long one measurement takes (default 3, quick 1.5)")
	flags.Int64Var(&o.requests, "requests", 0, "end a measurement after so many requests, too (default no bound)")
	flags.IntVar(&o.connections, "connections", 64, "how many connections are kept busy")
	flags.IntVar(&o.idle, "idle", 5000, "how many connections are held idle")
	flags.BoolVar(&o.quick, "quick", false, "two minutes: fewer and shorter rounds, the main workloads only")
	only := flags.String("only", "", "names of workloads and gateways, with commas between (default all)")
	flags.StringVar(&o.out, "out", "bench/results", "the folder of the results")
	flags.StringVar(&o.gatehouse, "gatehouse", "bin/gatehouse", "the gateway to measure")
	flags.StringVar(&o.profile, "profile", "", "measure nothing, but write a CPU profile of the gateway under strict requests to this `file`")
	flags.Func("set", "a setting of Gatehouse, `NAME=VALUE`, to see what it does; may come again (default none: the default configuration)", func(setting string) error {
		if !strings.Contains(setting, "=") {
			return fmt.Errorf("not NAME=VALUE")
		}
		o.settings = append(o.settings, setting)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if o.rounds < 0 || *seconds < 0 || o.requests < 0 || o.connections < 1 || o.idle < 1 {
		return o, fmt.Errorf("rounds, seconds, requests, connections and idle are positive numbers")
	}
	usual, long := 5, 3.0
	if o.quick {
		usual, long = 3, 1.5
	}
	if o.rounds == 0 {
		o.rounds = usual
	}
	if *seconds == 0 {
		*seconds = long
	}
	o.length = time.Duration(*seconds * float64(time.Second))
	err := o.choose(*only)
	return o, err
}

// choose sorts the names of -only into workloads and gateways.
func (o *options) choose(only string) error {
	all := workloads()
	var named []string
	for name := range strings.SplitSeq(only, ",") {
		switch name = strings.TrimSpace(name); {
		case name == "":
		case slices.ContainsFunc(all, func(w workload) bool { return w.name == name }):
			named = append(named, name)
		case slices.ContainsFunc(contenders(), func(c contender) bool { return c.is(name) }):
			o.only = append(o.only, name)
		default:
			return fmt.Errorf("-only %q names neither a workload (%s) nor a gateway (%s)", name,
				names(all, func(w workload) string { return w.name }),
				names(contenders(), func(c contender) string { return c.name }))
		}
	}
	for _, w := range all {
		if len(named) > 0 && slices.Contains(named, w.name) || len(named) == 0 && (w.quick || !o.quick) {
			o.workloads = append(o.workloads, w)
		}
	}
	return nil
}

func names[T any](of []T, name func(T) string) string {
	var list []string
	for _, one := range of {
		list = append(list, name(one))
	}
	return strings.Join(list, ", ")
}
