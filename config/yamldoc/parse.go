// Package yamldoc decodes the YAML of a route table strictly, and keeps the
// place of each value. It guesses nothing and skips nothing. Every problem has
// its place, and no message shows a secret.
//
//	parse.go      one YAML tree from bytes
//	syntax.go     text that is not YAML, and what was probably meant
//	brackets.go   … mistakes with quotes and brackets
//	indentation.go … mistakes with indentation, colons and dashes
//	aliases.go    bounding how large aliases can make a small file
//	secrets.go    values that look like secrets, found before anything is reported
//	decode.go     Go types from the tree, by their yaml tags
//	kinds.go      keys and kinds of Go types, and words for them
//	scalar.go     plain values
//	any.go        values of any type
//	ambiguous.go  text that YAML reads as another type
//	expand.go     ${NAME} in values
//	field.go      decoded values with their places, for validation
//	join.go       one tree of fields from several files
//	report.go     the problems of a document
package yamldoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
	"gatehouse/config/value"
)

// Parse parses a text as YAML. When the text cannot be decoded, the problems of
// the document say why. file is only used in messages.
func Parse(file string, data []byte) *Document {
	d := newDocument(file, data)
	if d.root = d.parse(data); d.root != nil {
		d.findSecrets(d.root, "", "")
	}
	return d
}

// MaxSize bounds a file, in bytes. It is far above any real table (a ConfigMap
// has at most 1 MiB), and stops a wrong path from filling the memory.
const MaxSize = 16 << 20

// parse returns the top-level mapping. It reports why there is none and returns
// nil.
func (d *Document) parse(data []byte) *yaml.Node {
	if !d.checkText(data) {
		return nil
	}
	documents, err := parseYAML(bytes.TrimPrefix(data, []byte("\ufeff")))
	if err != nil {
		d.syntaxError(err)
		return nil
	}
	if len(documents) == 0 || len(documents[0].Content) == 0 {
		d.add(problem.SeverityError, 0, 0, "the file is empty", "a table needs at least `routes:` with one route")
		return nil
	}
	root := documents[0].Content[0]
	switch {
	case len(documents) > 1:
		second := documents[1]
		d.add(problem.SeverityError, second.Line, second.Column, "a second document begins here", "a table is one document: remove the `---`")
	case isNull(root):
		d.add(problem.SeverityError, root.Line, root.Column, "the file contains only null", "a table needs at least `routes:` with one route")
	case root.Kind != yaml.MappingNode:
		d.add(problem.SeverityError, root.Line, root.Column, "the top level must be a mapping, not "+kindOf(root), "begin with `routes:`")
	case isTagged(root):
		d.add(problem.SeverityError, root.Line, root.Column, "the top level: the tag "+problem.Quote(root.Tag)+" has no meaning here", "remove the tag")
	case d.checkAliases(root):
		return root
	}
	return nil
}

// checkText refuses bytes that are not UTF-8 text.
func (d *Document) checkText(data []byte) bool {
	switch {
	case len(data) > MaxSize:
		d.add(problem.SeverityError, 0, 0, "the file is larger than "+value.Size(MaxSize).String(), "")
		return false
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		d.add(problem.SeverityError, 0, 0, "the file is UTF-16", "save it as UTF-8")
		return false
	}
	invalid := bytes.IndexByte(data, 0)
	reason, hint := "the file contains a NUL byte; it is not text", "save it as UTF-8 text"
	if invalid < 0 && !utf8.Valid(data) {
		invalid = firstInvalid(data)
		reason = "the file is not valid UTF-8"
	}
	if invalid < 0 {
		// A route behind such a character in a comment would look like a part of the comment.
		if invalid = bytes.IndexAny(data, hiddenBreaks); invalid >= 0 {
			r, _ := utf8.DecodeRune(data[invalid:])
			reason = fmt.Sprintf("the file contains %U, which YAML reads as a line break and editors do not show", r)
			hint = fmt.Sprintf("remove it; in double quotes it can be written \\u%04X", r)
		}
	}
	if invalid < 0 {
		return true
	}
	// The rest of the line is not shown, because bytes that are not text do not
	// help.
	before := data[:invalid]
	inLine := bytes.TrimPrefix(before[bytes.LastIndexByte(before, '\n')+1:], []byte("\ufeff"))
	d.problems = append(d.problems, problem.Problem{
		Position: problem.Position{File: d.file, Line: 1 + bytes.Count(before, []byte("\n")), Column: 1 + utf8.RuneCount(inLine)},
		Message:  reason,
		Hint:     hint,
	})
	return false
}

// hiddenBreaks are the line breaks of Unicode, which YAML 1.1 has and YAML 1.2 has not.
const hiddenBreaks = "\u0085\u2028\u2029"

// firstInvalid returns the offset of the first byte that is not valid UTF-8.
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

// parseYAML returns up to two documents; a second one is an error of its own.
// The parser panics on its own inconsistencies, which must not stop a running
// gateway on a reload.
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
