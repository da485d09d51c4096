// This file reads a route table: one bounded read, then the steps in order.

package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"gatehouse/config/problem"
	"gatehouse/config/textfile"
	"gatehouse/config/value"
	"gatehouse/config/watch"
	"gatehouse/config/yamldoc"
)

// Check checks a table without errors, and adds warnings to its fields. The
// warnings end up in Config.Warnings.
type Check func(table *Config, file *yamldoc.Field)

// Load reads, decodes and validates the route table in the file at path. It
// expands ${NAME} in values with lookup; a nil lookup is an empty environment.
// It runs the checks on a table without errors. The error is a problem.List
// with every error and warning found.
func Load(path string, lookup func(name string) (string, bool), checks ...Check) (*Config, error) {
	data, err := readBounded(path)
	if err != nil {
		unreadable := problem.Problem{Position: problem.Position{File: path}, Message: err.Error()}
		if errors.Is(err, fs.ErrNotExist) {
			unreadable.Hint = "is the path right? README.md has a first table to copy"
		}
		return nil, problem.List{unreadable}
	}
	return Parse(path, data, lookup, checks...)
}

// LoadFrom is Load for a table that comes from a reader, such as a pipe. file
// is only used in messages.
func LoadFrom(file string, source io.Reader, lookup func(name string) (string, bool), checks ...Check) (*Config, error) {
	data, err := readAll(source)
	if err != nil {
		return nil, problem.List{{Position: problem.Position{File: file}, Message: err.Error()}}
	}
	return Parse(file, data, lookup, checks...)
}

// Parse is Load for a table that is in memory. file is only used in messages.
// Parse is pure: the same arguments always return the same result.
func Parse(file string, data []byte, lookup func(name string) (string, bool), checks ...Check) (*Config, error) {
	if lookup == nil {
		lookup = func(string) (string, bool) { return "", false }
	}
	doc := yamldoc.Parse(file, data)
	var decoded File
	fields := NewDecoder(lookup).Decode(doc, &decoded)
	if fields == nil {
		return nil, doc.Problems()
	}
	config := &decoded.Config
	normalize(config)
	validate(config, Route(decoded.Defaults), fields)
	if !doc.HasErrors() {
		for _, check := range checks {
			check(config, fields)
		}
	}
	doc.WarnSecrets()
	problems := doc.Problems()
	if problems.HasErrors() {
		return nil, problems
	}
	config.File = file
	config.Hash = watch.Hash(data)
	config.Warnings = problems
	return config, nil
}

// readBounded reads a file of at most yamldoc.MaxSize bytes. It checks the type
// of the file before it opens it, because opening a named pipe would block
// until there is a writer.
func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the route table: %w", textfile.WithoutPath(err))
	}
	if info.IsDir() {
		return nil, errors.New("read the route table: it is a directory, not a file")
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("read the route table: it is not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the route table: %w", textfile.WithoutPath(err))
	}
	defer func() { _ = file.Close() }()
	return readAll(file)
}

// readAll reads at most yamldoc.MaxSize bytes.
func readAll(source io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(source, yamldoc.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read the route table: %w", textfile.WithoutPath(err))
	}
	if len(data) > yamldoc.MaxSize {
		return nil, fmt.Errorf("read the route table: it is larger than %s", value.Size(yamldoc.MaxSize))
	}
	return data, nil
}
