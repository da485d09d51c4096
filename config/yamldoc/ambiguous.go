// This file refuses text that YAML reads as another type: the country code no,
// the port mapping 12:30, the version 1e3.

package yamldoc

import (
	"strings"

	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
)

// ambiguous refuses a plain (unquoted) scalar in place of text when YAML 1.1 or
// 1.2 reads it as another type. This program would read it as text, but the
// next tool that edits the file may write something else.
func ambiguous(n *yaml.Node) *problem.Fault {
	if n.Style&^yaml.FlowStyle != 0 {
		return nil
	}
	what := typeReadByYAML(n)
	if what == "" {
		return nil
	}
	return &problem.Fault{
		Reason: "unquoted, this is read as " + what + " by YAML",
		Hint:   `if you mean the text, write "` + problem.Truncate(n.Value) + `"`,
	}
}

// typeReadByYAML returns the type that YAML reads a plain scalar as, or "" for
// text. A plain decimal number counts as text, because every reader reads it
// the same way.
func typeReadByYAML(n *yaml.Node) string {
	if isDecimal(n.Value) {
		return ""
	}
	switch strings.ToLower(n.Value) {
	case "y", "n", "yes", "no", "on", "off", "true", "false":
		return "a boolean"
	case "", "~", "null":
		return "null"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "a boolean"
	case "!!timestamp":
		return "a date"
	}
	if isBase60(n.Value) {
		return "a number in base 60"
	}
	return ""
}

func isDecimal(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || text == "-0" || len(digits) > 1 && digits[0] == '0' {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}

// isBase60 reports whether a text is a YAML 1.1 number that looks like a time:
// 12:30:00.
func isBase60(text string) bool {
	first, rest, found := strings.Cut(strings.TrimLeft(text, "+-"), ":")
	if !found || first == "" || strings.Trim(first, "0123456789_") != "" {
		return false
	}
	for part := range strings.SplitSeq(rest, ":") {
		digits, _, _ := strings.Cut(part, ".")
		if digits == "" || len(digits) > 2 || strings.Trim(digits, "0123456789") != "" {
			return false
		}
	}
	return true
}
