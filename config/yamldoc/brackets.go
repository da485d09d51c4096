// This file finds mistakes with quotes and brackets in text that is not YAML. The parser
// reports where it stopped; what began there may have begun many lines before.

package yamldoc

import "strings"

// mistake is what an operator probably did wrong in text that is not YAML.
type mistake struct {
	at            int // offset in the text
	message, hint string
}

// scanner walks over a text that is not YAML, to find its first quote or bracket that is
// wrong. It knows just enough of YAML for that. It looks at nothing that is inside a
// comment or a block of text.
type scanner struct {
	text   string
	at     int
	begin  bool      // a value or a key may begin here
	open   []bracket // brackets that are not closed
	line   int       // where the line begins that has the first of them
	word   int       // where the last word of plain text began
	wanted *mistake  // reported when nothing else is found
}

// bracket is an open [ or {.
type bracket struct {
	at     int
	hasKey bool // the current entry has a key and its colon
}

// findBracketMistake returns the first mistake with a quote or a bracket in text, or nil.
func findBracketMistake(text string) *mistake {
	s := &scanner{text: text, begin: true}
	for s.at < len(s.text) {
		if m := s.step(); m != nil {
			return m
		}
	}
	if len(s.open) > 0 {
		return s.unclosed()
	}
	return s.wanted
}

// step passes one character, quoted text or comment. It returns the mistake that is there,
// or nil.
func (s *scanner) step() *mistake {
	c := s.text[s.at]
	switch {
	case c == '\n':
		return s.newLine()
	case c == ' ', c == '\t', c == '\r':
		s.at++
	case c == '#' && s.afterSpace():
		s.skipLine()
	case (c == '"' || c == '\'') && s.begin:
		return s.quote(c)
	case (c == '[' || c == '{') && s.begin:
		if len(s.open) == 0 {
			s.line = strings.LastIndexByte(s.text[:s.at], '\n') + 1
		}
		s.open = append(s.open, bracket{at: s.at})
		s.at++
	case len(s.open) > 0:
		return s.inBrackets(c)
	case c == '-' && s.begin && s.spaceAt(s.at+1):
		s.at++
	case c == ':' && s.spaceAt(s.at+1):
		s.begin = true
		s.at++
	default:
		s.plain()
	}
	return nil
}

// inBrackets passes a character between brackets that is neither space nor quoted.
func (s *scanner) inBrackets(c byte) *mistake {
	inner := &s.open[len(s.open)-1]
	switch {
	case c == '$' && strings.HasPrefix(s.text[s.at:], "${"):
		return &mistake{s.at, "a ${NAME} without quotes is inside brackets", `inside { } and [ ] put it in quotes: "${NAME}"`}
	case c == ',':
		inner.hasKey = false
		s.begin = true
		s.at++
	case c == ']' || c == '}':
		return s.closeBracket(c)
	case c == '[' || c == '{':
		return &mistake{s.at, "a value contains " + string(c), "inside { } and [ ] put a value with brackets in quotes"}
	case c == ':' && (s.spaceAt(s.at+1) || strings.IndexByte(",[]{}", s.text[s.at+1]) >= 0):
		if inner.hasKey {
			return s.noComma()
		}
		inner.hasKey = true
		s.begin = true
		s.at++
	default:
		if c == '?' && s.wanted == nil {
			s.wanted = &mistake{s.at, "a value contains ?", "inside { } and [ ] put a value with a ? in quotes"}
		}
		s.plain()
	}
	return nil
}

// plain passes a character of plain text.
func (s *scanner) plain() {
	if s.begin || s.afterSpace() {
		s.word = s.at
	}
	s.begin = false
	s.at++
}

// noComma reports the comma that is missing before the last word, which is a second key.
func (s *scanner) noComma() *mistake {
	at := s.word
	if lines := s.text[:at]; strings.TrimSpace(lines[strings.LastIndexByte(lines, '\n')+1:]) == "" {
		at = len(strings.TrimRight(lines, " \t\r\n"))
	}
	return &mistake{at, "a comma is missing here", "commas separate the entries inside { } and [ ]"}
}

// closeBracket passes ] or }.
func (s *scanner) closeBracket(c byte) *mistake {
	opened := s.open[len(s.open)-1].at
	want := byte(']')
	if s.text[opened] == '{' {
		want = '}'
	}
	if c != want {
		return &mistake{s.at, "want `" + string(want) + "` here, not `" + string(c) + "`", "each [ needs its ], and each { its }"}
	}
	s.open = s.open[:len(s.open)-1]
	s.begin = false
	s.at++
	next := s.nextOnLine()
	switch {
	case len(s.open) > 0 && next < len(s.text) && strings.IndexByte("\n#,]}:", s.text[next]) < 0:
		return &mistake{next, "a comma is missing here", "commas separate the entries inside { } and [ ]"}
	case len(s.open) == 0 && next < len(s.text) && (s.text[next] == ']' || s.text[next] == '}'):
		return &mistake{next, "`" + s.text[next:next+1] + "` has nothing to close", "remove it"}
	}
	return nil
}

// quote passes quoted text. The mistake is at its beginning when it ends on another line
// and something follows: then the quote that ends it was meant to begin the next text.
func (s *scanner) quote(sign byte) *mistake {
	begin := s.at
	end := quoteEnd(s.text, begin)
	if end < 0 {
		return &mistake{begin, "the quote that begins here is not closed", "a quote is not closed"}
	}
	s.begin = false
	s.at = end
	next := s.nextOnLine()
	if next == len(s.text) || strings.IndexByte("\n:", s.text[next]) >= 0 || s.text[next] == '#' && next > end ||
		len(s.open) > 0 && strings.IndexByte(",]}", s.text[next]) >= 0 {
		return nil
	}
	switch {
	case strings.Contains(s.text[begin:end], "\n"):
		return &mistake{begin, "the quote that begins here is not closed on its line", "a quote is not closed"}
	case len(s.open) > 0:
		return &mistake{next, "a comma is missing here", "commas separate the entries inside { } and [ ]"}
	case next > end:
		return &mistake{next, "text follows a quote that has ended", "put all of the value in quotes"}
	case sign == '\'':
		return &mistake{end - 1, "the quote ends here, and text follows", "inside single quotes write a quote twice: '', or use double quotes"}
	}
	return &mistake{end - 1, "the quote ends here, and text follows", `inside double quotes write a quote as \", or use single quotes`}
}

// quoteEnd returns the offset behind the quote that closes the one at begin, or -1.
func quoteEnd(text string, begin int) int {
	sign := text[begin]
	for i := begin + 1; i < len(text); i++ {
		switch {
		case sign == '"' && text[i] == '\\':
			i++
		case text[i] != sign:
		case sign == '\'' && i+1 < len(text) && text[i+1] == sign:
			i++
		default:
			return i + 1
		}
	}
	return -1
}

// newLine passes the end of a line. Inside brackets, a line that begins like a key or an
// item of the block around them shows that they were not closed.
func (s *scanner) newLine() *mistake {
	if len(s.open) == 0 {
		line := s.text[strings.LastIndexByte(s.text[:s.at], '\n')+1 : s.at]
		s.at++
		s.begin = true
		if beginsText(line) {
			s.skipText(indentation(line))
		}
		return nil
	}
	s.at++
	next, _, _ := strings.Cut(s.text[s.at:], "\n")
	around := s.text[s.line:s.open[0].at]
	if content := strings.TrimLeft(next, " "); indentation(next) <= indentation(around) && (strings.HasPrefix(content, "- ") || isKey(content)) {
		return s.unclosed()
	}
	return nil
}

// unclosed reports the last bracket that was not closed.
func (s *scanner) unclosed() *mistake {
	at := s.open[len(s.open)-1].at
	return &mistake{at, "the bracket that begins here is not closed", "each [ needs its ], and each { its }"}
}

// beginsText reports whether a block of text (a literal or folded scalar) begins in a line.
func beginsText(line string) bool {
	line, _, _ = strings.Cut(line, " #")
	line = strings.TrimRight(line, " \t\r0123456789+-")
	return strings.HasSuffix(line, ": |") || strings.HasSuffix(line, ": >") || strings.HasSuffix(line, "- |") || strings.HasSuffix(line, "- >")
}

// skipText skips the lines that are indented by more than the given number of spaces.
func (s *scanner) skipText(indented int) {
	for s.at < len(s.text) {
		line, _, _ := strings.Cut(s.text[s.at:], "\n")
		if strings.TrimSpace(line) != "" && indentation(line) <= indented {
			return
		}
		s.skipLine()
		s.at = min(s.at+1, len(s.text))
	}
}

// skipLine goes to the end of the line.
func (s *scanner) skipLine() {
	if length := strings.IndexByte(s.text[s.at:], '\n'); length >= 0 {
		s.at += length
		return
	}
	s.at = len(s.text)
}

// nextOnLine returns the offset of the next character that is no space.
func (s *scanner) nextOnLine() int {
	at := s.at
	for at < len(s.text) && strings.IndexByte(" \t\r", s.text[at]) >= 0 {
		at++
	}
	return at
}

func (s *scanner) afterSpace() bool { return s.at == 0 || s.spaceAt(s.at-1) }

// spaceAt reports whether there is a space, an end of a line, or no text at an offset.
func (s *scanner) spaceAt(at int) bool {
	return at >= len(s.text) || strings.IndexByte(" \t\r\n", s.text[at]) >= 0
}
