// This file reports text that is not YAML: the parser's error, its place, and
// what the operator probably meant.

package yamldoc

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	yaml4 "go.yaml.in/yaml/v4"

	"gatehouse/config/problem"
)

// syntaxError reports the parser's error at the place of the mistake.
func (d *Document) syntaxError(err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line, column := 0, 0
	if rest, found := strings.CutPrefix(message, "line "); found {
		number, reason, _ := strings.Cut(rest, ": ")
		if parsed, err := strconv.Atoi(number); err == nil {
			line, message = parsed, reason
		}
	}
	// yaml.v3 counts lines from 0 in errors of its grammar, and from 1 in
	// errors of its scanner. For the first line it reports no line at all.
	if line == 0 || isGrammarError(message) {
		line++
	}
	stopped := line
	if exactLine, exactColumn, last, found := syntaxPlace(d.text); found {
		line, column, stopped = exactLine, exactColumn, last
	}
	hint := d.syntaxHint(line, column, message)
	if strings.Contains(message, "alphabetic or numeric character") {
		message = "a value begins with " + anchorSign(d.source(line), column)
	}
	if found := d.findMistake(line, column, stopped, message); found != nil {
		line, column = placeOf(d.withoutMark(), found.at)
		message, hint = found.message, found.hint
		if d.nearSecret(line) {
			hint = "" // it may name the word that begins the line
		}
	}
	if strings.HasPrefix(message, "unknown anchor ") && d.nearSecret(line) {
		message = "unknown anchor referenced"
	}
	if d.nearSecret(line) {
		d.hiddenLines[line] = true
	}
	d.add(problem.SeverityError, line, column, "not valid YAML: "+message, hint)
}

// findMistake returns what the operator probably did wrong, or nil. line and column are
// the place that the parser reports, stopped is the line that it had reached, and message is
// its error.
func (d *Document) findMistake(line, column, stopped int, message string) *mistake {
	source := d.source(line)
	if strings.Contains(source[:len(source)-len(strings.TrimLeft(source, " \t"))], "\t") {
		return nil // the parser reports the place of a tab
	}
	if found := findBracketMistake(d.withoutMark()); found != nil {
		if at, _ := placeOf(d.withoutMark(), found.at); at <= stopped {
			return found
		}
	}
	for _, cause := range []string{"'-' indicator", "expected key", "mapping values are not allowed", "expected ':'"} {
		if strings.Contains(message, cause) {
			return findBlockMistake(d.withoutMark(), line, column)
		}
	}
	return nil
}

// withoutMark returns the text without its byte order mark.
func (d *Document) withoutMark() string { return strings.TrimPrefix(d.text, "\ufeff") }

// placeOf returns the line and the column of an offset. The column counts characters.
func placeOf(text string, at int) (line, column int) {
	before := text[:at]
	begin := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[begin:]) + 1
}

// syntaxPlace returns the place where a text stops being YAML, and the line that the parser
// had reached. yaml.v3 reports
// no column. Its line is often the one before, or the first line of the block
// with the mistake (issue 10). Its successor reports both exactly, and is used
// only for the place: the two accept slightly different texts, and the meaning
// of a table must not depend on which is used.
func syntaxPlace(text string) (line, column, stopped int, found bool) {
	// Like yaml.v3, it panics on its own inconsistencies.
	defer func() {
		if recover() != nil {
			line, column, stopped, found = 0, 0, 0, false
		}
	}()
	decoder := yaml4.NewDecoder(bytes.NewReader([]byte(strings.TrimPrefix(text, "\ufeff"))))
	for {
		var document yaml4.Node
		err := decoder.Decode(&document)
		if err == nil {
			continue
		}
		if errors.Is(err, io.EOF) {
			return 0, 0, 0, false
		}
		cause, known := errors.AsType[*yaml4.LoadError](err)
		if !known {
			return 0, 0, 0, false
		}
		place := cause.Mark
		if isUnclosed(cause) {
			place = cause.ContextMark
		}
		return place.Line, place.Column, cause.Mark.Line, place.Line > 0
	}
}

// isUnclosed reports whether the mistake is at the beginning of something that
// is never closed. The parser itself may stop much later, even at the end of
// the file.
func isUnclosed(cause *yaml4.LoadError) bool {
	switch cause.ContextMsg {
	case "while parsing a flow mapping", "while parsing a flow sequence", // a bracket
		"while scanning a simple key", // without its colon
		"while scanning an alias", "while scanning an anchor", "while scanning a tag":
		return cause.ContextMark.Line > 0
	case "while scanning a quoted scalar":
		return strings.Contains(cause.Message, "unexpected end of stream") || strings.Contains(cause.Message, "document indicator")
	}
	return false
}

// isGrammarError reports whether an error comes from the parser and not from
// the scanner. yaml.v3 has no type for it.
func isGrammarError(message string) bool {
	for _, thing := range []string{"node content", "'-' indicator", "key", "',' or ']'", "',' or '}'", "<document start>"} {
		if message == "did not find expected "+thing {
			return true
		}
	}
	return false
}

// syntaxHint returns a hint about what probably caused an error of the YAML
// parser. Column 0 means unknown.
func (d *Document) syntaxHint(line, column int, message string) string {
	source := d.source(line)
	indent := source[:len(source)-len(strings.TrimLeft(source, " \t"))]
	switch {
	case strings.Contains(indent, "\t") || strings.Contains(message, "tab character"):
		return "YAML is indented with spaces, not tabs"
	case strings.Contains(message, "unexpected end of stream"):
		return "a quote is not closed"
	case strings.Contains(message, "unknown anchor"):
		return "an alias needs an anchor above it in the same file; put text that begins with * in quotes"
	case strings.Contains(message, "incompatible YAML document"):
		return "remove the line with %YAML"
	case strings.Contains(message, "mapping values are not allowed"):
		return "put a value with `: ` in quotes; check the indentation"
	case strings.Contains(message, "exceeded max depth"):
		return "nothing in a table is nested so deeply"
	case strings.Contains(message, "alphabetic or numeric character"):
		return "quote it: put a value that begins with " + anchorSign(source, column) + " in quotes"
	case strings.Contains(message, "',' or") && column > 0:
		return "the bracket that begins here is not closed, or a comma is missing in it"
	case strings.Contains(message, "did not find expected"):
		return "check the indentation and the brackets of what begins here"
	case strings.Contains(message, "unknown escape character"):
		return `inside double quotes \ begins an escape: write \\, or use single quotes`
	case strings.Contains(message, "expected '>'"), strings.Contains(message, "scanning a tag"):
		return "put a value that begins with ! in quotes"
	case strings.Contains(message, "cannot start any token"):
		return "put a value that begins with @, ` or % in quotes"
	}
	return ""
}

// anchorSign returns the character that begins an alias or an anchor at a
// column of a line.
func anchorSign(source string, column int) string {
	characters := []rune(source)
	if column > 0 && column <= len(characters) && characters[column-1] == '&' {
		return "&"
	}
	return "*"
}
