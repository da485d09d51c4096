// This file reads a route table: one bounded read, then the steps in order.

package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"gatehouse/config/problem"
	"gatehouse/config/textfile"
	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

// Check checks a table without errors, and adds warnings to its fields. The
// warnings end up in Config.Warnings.
type Check func(table *Config, file *yamldoc.Field)

// Load reads, decodes and validates the route table in the file at path, with
// the files that it includes. It expands ${NAME} in values with lookup; a nil
// lookup is an empty environment. It runs the checks on a table without errors.
// The error is a problem.List with every error and warning found.
func Load(path string, lookup func(name string) (string, bool), checks ...Check) (*Config, error) {
	table, _, err := LoadSources(path, lookup, checks...)
	return table, err
}

// attempts bounds how often a table is read again because its files changed
// while they were read.
const attempts = 5

// LoadSources is like Load, and also returns the files that were read, with or
// without an error. All files have the content of one moment: when an edit
// changes one of them meanwhile, all are read again.
func LoadSources(path string, lookup func(name string) (string, bool), checks ...Check) (*Config, Sources, error) {
	l := newLoader(path, lookup, checks)
	var sources Sources
	for range attempts {
		table, read, err := l.loadFile()
		if read.unchanged() {
			return table, read, err
		}
		sources = read
	}
	return nil, sources, problem.List{{
		Position: problem.Position{File: path},
		Message:  "the files of the table change while they are read",
		Hint:     "replace them together, by a rename or a link",
	}}
}

// LoadFrom is Load for a table that comes from a reader, such as a pipe. Such a
// table includes no files. file is only used in messages.
func LoadFrom(file string, source io.Reader, lookup func(name string) (string, bool), checks ...Check) (*Config, error) {
	data, err := readAll(source)
	if err != nil {
		return nil, problem.List{{Position: problem.Position{File: file}, Message: err.Error()}}
	}
	return Parse(file, data, lookup, checks...)
}

// Parse is LoadFrom for a table that is in memory. Parse is pure: the same
// arguments always return the same result.
func Parse(file string, data []byte, lookup func(name string) (string, bool), checks ...Check) (*Config, error) {
	table, _, err := newLoader(file, lookup, checks).load(data)
	return table, err
}

// loader loads one table.
type loader struct {
	file   string
	lookup func(name string) (string, bool)
	checks []Check
	folder string    // that of the table; "" for a table in memory
	files  *folderFS // the folder, when the table includes files
	budget int64     // how many bytes included files may have
}

func newLoader(file string, lookup func(name string) (string, bool), checks []Check) *loader {
	if lookup == nil {
		lookup = func(string) (string, bool) { return "", false }
	}
	return &loader{file: file, lookup: lookup, checks: checks}
}

// loadFile loads the table from its file.
func (l *loader) loadFile() (*Config, Sources, error) {
	sources := Sources{Files: []Source{{Path: l.file}}, folder: filepath.Dir(l.file)}
	data, err := readBounded(l.file)
	if err != nil {
		unreadable := problem.Problem{Position: problem.Position{File: l.file}, Message: err.Error()}
		if errors.Is(err, fs.ErrNotExist) {
			unreadable.Hint = "is the path right? README.md has a first table to copy"
		}
		return nil, sources, problem.List{unreadable}
	}
	l.folder = sources.folder
	return l.load(data)
}

// load loads the table with this content.
func (l *loader) load(data []byte) (*Config, Sources, error) {
	l.budget = yamldoc.MaxSize - int64(len(data))
	sources := Sources{folder: filepath.Dir(l.file)}
	sources.add(l.file, data, nil)
	table := l.decodePart(l.file, data, yamldoc.Except{}, nil)
	if table.fields == nil {
		return nil, sources, table.doc.Problems()
	}
	parts := l.include(table, &sources)
	config := new(Config)
	*config = table.config // a pointer into the part would keep its text in memory
	normalize(config)
	config.resolveBackends(table.fields)
	validate(config, parts)
	if !slices.ContainsFunc(parts, func(p *part) bool { return p.doc.HasErrors() }) {
		for _, check := range l.checks {
			check(config, table.fields)
		}
	}
	if l.folder != "" && slices.ContainsFunc(parts, func(p *part) bool { return p.doc.HasErrors() }) {
		l.reportUnreadablePages(table)
		for _, p := range parts {
			l.reportUnreadableAnswers(p)
		}
	}
	problems := problemsOfAll(parts)
	if problems.HasErrors() {
		return nil, sources, problems
	}
	config.File = l.file
	config.Hash = sources.hashOf()
	config.Warnings = problems
	return config, sources, nil
}

// problemsOfAll returns the problems of all files, the table's first. They are
// bounded together as those of one file are.
func problemsOfAll(parts []*part) problem.List {
	var all problem.List
	for _, p := range parts {
		p.doc.WarnSecrets()
		all = append(all, p.doc.Problems()...)
	}
	if more := len(all) - yamldoc.MaxProblems; more > 1 {
		// The errors of one file must not hide behind the warnings of another.
		slices.SortStableFunc(all, func(a, b problem.Problem) int { return int(a.Severity) - int(b.Severity) })
		file := all[0].File
		all = append(all[:yamldoc.MaxProblems], problem.Problem{
			Position: problem.Position{File: file}, Message: fmt.Sprintf("%d more problems are not shown", more),
			Severity: all[yamldoc.MaxProblems].Severity,
		})
	}
	return all
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
