// From bytes to one YAML tree: what is not text, not YAML, not one document or
// not of a sane size ends here, as a problem with a line.

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// parse gives the top-level mapping, or nil after it has reported why there is
// none.
func (r *report) parse(data []byte) *yaml.Node {
	if !r.checkText(data) {
		return nil
	}
	documents, err := parseYAML(bytes.TrimPrefix(data, []byte("\ufeff")))
	if err != nil {
		r.syntaxError(err)
		return nil
	}
	if len(documents) == 0 || len(documents[0].Content) == 0 {
		r.add(SeverityError, 0, 0, "the file is empty", "a table needs at least `routes:` with one route")
		return nil
	}
	root := documents[0].Content[0]
	switch {
	case len(documents) > 1:
		second := documents[1]
		r.add(SeverityError, second.Line, second.Column, "a second document begins here", "a table is one document: remove the `---`")
	case isNull(root):
		r.add(SeverityError, root.Line, root.Column, "the file holds nothing but null", "a table needs at least `routes:` with one route")
	case root.Kind != yaml.MappingNode:
		r.add(SeverityError, root.Line, root.Column, "the top level must be a mapping, not "+kindOf(root), "begin with `routes:`")
	case isTagged(root):
		r.add(SeverityError, root.Line, root.Column, "the top level: the tag "+quote(root.Tag)+" means nothing here", "remove the tag")
	case r.checkAliases(root):
		return root
	}
	return nil
}

// checkText refuses bytes that are not UTF-8 text.
func (r *report) checkText(data []byte) bool {
	switch {
	case len(data) > maxFileSize:
		r.add(SeverityError, 0, 0, "the file is larger than "+Size(maxFileSize).String(), "")
		return false
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		r.add(SeverityError, 0, 0, "the file is UTF-16", "save it as UTF-8")
		return false
	}
	invalid := bytes.IndexByte(data, 0)
	reason := "the file holds a NUL byte; it is not text"
	if invalid < 0 && !utf8.Valid(data) {
		invalid = firstInvalid(data)
		reason = "the file is not valid UTF-8"
	}
	if invalid < 0 {
		return true
	}
	// The rest of the line stays unsaid: bytes that are not text are no help.
	r.problems = append(r.problems, Problem{
		Position: Position{File: r.file, Line: 1 + bytes.Count(data[:invalid], []byte("\n"))},
		Message:  reason,
		Hint:     "save it as UTF-8 text",
	})
	return false
}

// firstInvalid gives the offset of the first byte that is not UTF-8.
func firstInvalid(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// parseYAML gives up to two documents; a second one is an error of its own.
// The parser reports its own inconsistencies by panicking, and those must not
// take a running gateway down on a reload.
func parseYAML(data []byte) (documents []*yaml.Node, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			documents, err = nil, fmt.Errorf("parse YAML: %v", cause)
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for len(documents) < 2 {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		documents = append(documents, &document)
	}
	return documents, nil
}

// syntaxError reports what the parser says, at the line it means.
func (r *report) syntaxError(err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if rest, found := strings.CutPrefix(message, "line "); found {
		number, reason, _ := strings.Cut(rest, ": ")
		if parsed, err := strconv.Atoi(number); err == nil {
			line, message = parsed, reason
		}
	}
	// yaml.v3 counts lines from 0 in errors of its grammar, from 1 in those of
	// its scanner, and leaves the first line out altogether.
	if line == 0 || grammarError(message) {
		line++
	}
	if name, found := strings.CutPrefix(message, "unknown anchor "); found {
		line = r.lineOf("*" + strings.Trim(strings.TrimSuffix(name, " referenced"), "'"))
		if r.nearSecret(line) {
			message = "unknown anchor referenced"
		}
	}
	if r.nearSecret(line) {
		r.private[line] = true
	}
	r.add(SeverityError, line, 0, "not valid YAML: "+message, r.syntaxHint(line, message))
}

// grammarError recognises the parser's own errors among the scanner's, which
// yaml.v3 gives no type.
func grammarError(message string) bool {
	for _, thing := range []string{"node content", "'-' indicator", "key", "',' or ']'", "',' or '}'", "<document start>"} {
		if message == "did not find expected "+thing {
			return true
		}
	}
	return false
}

// lineOf finds the first line with a text, or 0.
func (r *report) lineOf(text string) int {
	before, _, found := strings.Cut(r.text, text)
	if !found {
		return 0
	}
	return len(splitLines(before))
}

// syntaxHint guesses what an operator did to get an error of the YAML parser.
func (r *report) syntaxHint(line int, message string) string {
	source := r.source(line)
	indent := source[:len(source)-len(strings.TrimLeft(source, " \t"))]
	switch {
	case strings.Contains(indent, "\t") || strings.Contains(message, "tab character"):
		return "YAML is indented with spaces, not tabs"
	case strings.Contains(source, "${") && strings.Contains(message, "',' or"):
		return `inside { } and [ ] put it in quotes: "${NAME}"`
	case strings.Contains(source, "?") && strings.Contains(message, "',' or"):
		return "inside { } and [ ] put a value that holds a ? in quotes"
	case strings.Contains(message, "unexpected end of stream"):
		return "a quote is never closed"
	case strings.Contains(message, "unknown anchor"):
		return "put a value that begins with * in quotes"
	case strings.Contains(message, "mapping values are not allowed"):
		return "put a value that holds `: ` in quotes; check the indentation"
	case strings.Contains(message, "exceeded max depth"):
		return "nothing in a table is nested that deep"
	case strings.Contains(message, "did not find expected"):
		return "check the indentation and the brackets of what begins here"
	case strings.Contains(message, "cannot start any token"):
		return "put a value that begins with @, ` or % in quotes"
	}
	return ""
}
