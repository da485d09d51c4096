// This file finds mistakes with indentation, colons and dashes in text that is not YAML.

package yamldoc

import (
	"strconv"
	"strings"
)

// blockLine is one line of a block, without brackets.
type blockLine struct {
	number int
	indent int    // spaces before the dash, or before the key
	key    int    // spaces and dashes before the key or value
	text   string // from the key on
}

// readBlockLine returns the parts of a line. found is false for an empty line and a comment.
func readBlockLine(lines []string, number int) (line blockLine, found bool) {
	if number < 1 || number > len(lines) {
		return blockLine{}, false
	}
	source := strings.TrimRight(lines[number-1], " \t\r")
	line = blockLine{number: number, indent: indentation(source)}
	line.key, line.text = line.indent, source[line.indent:]
	for {
		rest, dash := strings.CutPrefix(line.text, "- ")
		if !dash {
			break
		}
		line.text = strings.TrimLeft(rest, " ")
		line.key = len(source) - len(line.text)
	}
	return line, line.text != "" && line.text[0] != '#'
}

func (l blockLine) isItem() bool { return l.key > l.indent }

// indentation returns the number of spaces that begin a line.
func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// isKey reports whether a text begins with a plain key and its colon.
func isKey(text string) bool { return colonOf(text) > 0 }

// colonOf returns the offset of the first colon that ends a key, or -1.
func colonOf(text string) int {
	if at := strings.Index(text, ": "); at >= 0 {
		return at
	}
	if strings.HasSuffix(strings.TrimRight(text, " \t\r"), ":") {
		return len(strings.TrimRight(text, " \t\r")) - 1
	}
	return -1
}

// findBlockMistake returns the mistake in the block whose line the parser refused, or nil.
// Only a column at the line's first colon says that all of the line is wrong.
func findBlockMistake(text string, number, column int) *mistake {
	lines := strings.Split(text, "\n")
	line, found := readBlockLine(lines, number)
	if !found {
		return nil
	}
	colon := colonOf(line.text)
	if colon < 0 {
		return noColon(lines, line)
	}
	if first := line.key + colon + 1; column > first {
		return nil // a second colon: the parser's place is right
	}
	above, found := lineAbove(lines, number)
	switch {
	case !found:
		return nil
	case len(above.text) > 1 && above.text[0] == '-' && isKey(above.text):
		return &mistake{offsetOf(lines, above.number, above.indent), "a space is missing behind the dash", "write `- " + word(above.text[1:]) + ": …`"}
	case !isKey(above.text) && !above.isItem() && above.indent <= line.indent:
		return noColon(lines, above)
	}
	return wrongIndentation(lines, line)
}

// noColon reports a line that has no colon, or none with a space behind it.
func noColon(lines []string, line blockLine) *mistake {
	key := word(line.text)
	if key == "" {
		return nil
	}
	hint := "write `" + key + ": …`"
	if strings.TrimSpace(line.text) == key {
		hint = "write `" + key + ":`"
	}
	return &mistake{offsetOf(lines, line.number, line.key), "a colon with a space is missing in this line", hint}
}

// word returns the key that begins a text, or "" when it does not begin like one. Only keys
// are shown, because the rest of a line may be a secret.
func word(text string) string {
	end := 0
	for end < len(text) && (text[end] == '_' || 'a' <= text[end] && text[end] <= 'z') {
		end++
	}
	if end > 40 || end < len(text) && strings.IndexByte(" \t:=", text[end]) < 0 {
		return ""
	}
	return text[:end]
}

// wrongIndentation reports that a line begins in a column where nothing of the block
// begins. It names the line that was probably meant: the one that differs by the fewest
// spaces.
func wrongIndentation(lines []string, line blockLine) *mistake {
	var near blockLine
	spaces := -1
	for number, below := line.number-1, 1<<30; number > 0; number-- {
		level, found := readBlockLine(lines, number)
		at := level.key
		if line.isItem() {
			at = level.indent
		}
		if !found || at >= below || line.isItem() && !level.isItem() {
			continue
		}
		below = at
		if spaces < 0 || distance(at, line.indent) < distance(spaces, line.indent) {
			near, spaces = level, at
		}
	}
	if spaces < 0 || spaces == line.indent {
		return nil
	}
	message := "the line is indented by " + spacesOf(line.indent) + ", and line " + strconv.Itoa(near.number) + " by " + strconv.Itoa(spaces)
	hint := "keys of one mapping begin in the same column"
	if line.isItem() {
		hint = "items of one list begin in the same column"
	}
	return &mistake{offsetOf(lines, line.number, line.indent), message, hint}
}

func distance(a, b int) int { return max(a, b) - min(a, b) }

func spacesOf(count int) string {
	if count == 1 {
		return "1 space"
	}
	return strconv.Itoa(count) + " spaces"
}

// lineAbove returns the nearest line above that has content.
func lineAbove(lines []string, number int) (line blockLine, found bool) {
	for number--; number > 0; number-- {
		if line, found = readBlockLine(lines, number); found {
			return line, true
		}
	}
	return blockLine{}, false
}

// offsetOf returns the offset of a byte of a line in the whole text.
func offsetOf(lines []string, number, at int) int {
	for _, line := range lines[:number-1] {
		at += len(line) + 1
	}
	return at
}
