package main

import (
	"errors"
	"os"

	"gatehouse/config"
	"gatehouse/config/lint"
	"gatehouse/config/problem"
)

// load reads a table for questions from a file, a pipe, or standard input
// ("-"). Only `serve` requires a regular file.
func (t terminal) load(file string) (*config.Config, error) {
	lookup, err := t.environment()
	if err != nil {
		return nil, err
	}
	if file == "-" {
		return config.LoadFrom("standard input", t.in, lookup, lint.Check)
	}
	if info, err := os.Stat(file); err == nil && info.Mode()&os.ModeNamedPipe != 0 { // diff <(git show …) routes.yaml
		pipe, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer func() { _ = pipe.Close() }()
		return config.LoadFrom(file, pipe, lookup, lint.Check)
	}
	return config.Load(file, lookup, lint.Check)
}

// invalidTable prints every problem of a table, with its place.
func invalidTable(t terminal, err error) error {
	var problems problem.List
	if !errors.As(err, &problems) {
		return err
	}
	if _, err := problems.WriteTo(t.err); err != nil {
		return err
	}
	return &reportedError{}
}
