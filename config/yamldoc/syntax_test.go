package yamldoc

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// syntaxMistakes are mistakes that people make in YAML, each with ‸ before the character
// where the mistake is, and a part of the message or the hint. They are not places where a
// parser gives up.
var syntaxMistakes = []struct{ name, text, says string }{
	// Indentation.
	{"tab", "routes:\n‸\t- name: a\n\t  prefix: /a\n", "spaces, not tabs"},
	{"tab after spaces", "routes:\n  - name: a\n  ‸\tprefix: /a\n", "spaces, not tabs"},
	{"tab in a nested key", "cors:\n‸\torigins: [https://a.example]\nroutes: []\n", "spaces, not tabs"},
	{"tab in the last line", "routes:\n  - name: a\n    prefix: /a\n‸\tauth: none\n", "spaces, not tabs"},
	{"tab below a list", "routes:\n  - name: a\n    hosts:\n‸\t\t- a.example\n", "spaces, not tabs"},
	{"too little", "routes:\n  - name: a\n    prefix: /a\n   ‸backend: http://a\n", "is indented by 3 spaces, and line 3 by 4"},
	{"too little behind the dash", "routes:\n  - name: a\n   ‸prefix: /a\n", "is indented by 3 spaces, and line 2 by 4"},
	{"too much", "routes:\n  - name: a\n    prefix: /a\n      ‸backend: http://a\n", "is indented by 6 spaces, and line 3 by 4"},
	{"too much at the top", "name: Shop\n  ‸routes:\n  - name: a\n", "is indented by 2 spaces, and line 1 by 0"},
	{"too much behind the dash", "routes:\n  - name: a\n     ‸prefix: /a\n", "is indented by 5 spaces, and line 2 by 4"},
	{"list too little", "routes:\n  - name: a\n    prefix: /a\n ‸- name: b\n", "is indented by 1 space, and line 2 by 2"},
	{"list too much", "routes:\n  - name: a\n    prefix: /a\n   ‸- name: b\n", "is indented by 3 spaces, and line 2 by 2"},
	{"list at the level of its keys", "routes:\n  - name: a\n    prefix: /a\n    ‸- name: b\n", "is indented by 4 spaces, and line 2 by 2"},
	{"key outside of the list", "routes:\n  - name: a\n  ‸prefix: /a\n", "is indented by 2 spaces, and line 2 by 4"},
	{"comment between", "routes:\n  - name: a\n    # a comment\n\n   ‸prefix: /a\n", "is indented by 3 spaces, and line 2 by 4"},
	// Colons and dashes.
	{"no colon", "‸routes\n  - name: a\n", "`routes:`"},
	{"no colon in a route", "routes:\n  - name: a\n    ‸cors\n      origins: [https://a.example]\n", "`cors:`"},
	{"no colon, flat", "routes:\n  - name: a\n    ‸prefix /a\n    backend: http://a\n", "`prefix: …`"},
	{"no colon in the last line", "routes:\n  - name: a\n    ‸backend http://a\n", "`backend: …`"},
	{"no space behind the colon", "routes:\n  - name: a\n    ‸prefix:/a\n    backend: http://a\n", "`prefix: …`"},
	{"equals", "routes:\n  - name: a\n    ‸prefix = /a\n    backend: http://a\n", "`prefix: …`"},
	{"colon in a value", "name: Shop‸: the best\nroutes: []\n", "quotes"},
	{"no space behind the dash", "routes:\n  ‸-name: a\n    prefix: /a\n", "`- name: …`"},
	// Quotes.
	{"double quote", "routes:\n  - name: ‸\"a\n    prefix: /a\n    backend: http://a\n", "quote"},
	{"single quote", "routes:\n  - name: ‸'a\n    prefix: /a\n    backend: http://a\n", "quote"},
	{"quote, closed by the next one", "routes:\n  - name: ‸\"a\n    prefix: \"/a\"\n    backend: http://a\n", "quote"},
	{"single quote, closed by the next one", "routes:\n  - name: ‸'a\n    prefix: '/a'\n    backend: http://a\n", "quote"},
	{"quote in a list", "routes:\n  - name: a\n    hosts: [‸\"a.example, b.example]\n    prefix: /a\n", "quote"},
	{"quote in the first line", "name: ‸\"Shop\nroutes: []\n", "quote"},
	{"quotes that meet", "name: ‸\"Shop\nroutes:\n  - name: \"a\"\n    prefix: \"/a\"\n", "quote"},
	{"apostrophe", "name: 'Ann‸'s shop'\nroutes: []\n", "twice"},
	{"text behind a quote", "name: \"Shop\" ‸and more\nroutes: []\n", "quote"},
	{"escape", "name: \"C:‸\\shop\"\nroutes: []\n", "single quotes"},
	// Characters that begin something.
	{"star in a list", "routes:\n  - name: a\n    hosts: [‸*.example.com]\n", "quote it"},
	{"star", "cors:\n  origins: ‸*\nroutes: []\n", "quote it"},
	{"star in a block list", "cors:\n  origins:\n    - ‸*.example.com\nroutes: []\n", "quote it"},
	{"at", "name: ‸@shop\nroutes: []\n", "quotes"},
	{"backtick", "name: ‸`shop`\nroutes: []\n", "quotes"},
	{"percent", "name: ‸%shop\nroutes: []\n", "quotes"},
	{"ampersand", "name: ‸& shop\nroutes: []\n", "quote it"},
	{"unknown anchor", "routes:\n  - name: a\n    hosts: ‸*shop\n", "quotes"},
	{"exclamation", "name: ‸!<shop\nroutes: []\n", "quotes"},
	// Brackets.
	{"list", "trusted_proxies: ‸[10.0.0.0/8\nroutes:\n  - name: a\n", "not closed"},
	{"mapping", "routes:\n  - ‸{name: a, prefix: /a\n  - {name: b, prefix: /b}\n", "not closed"},
	{"last mapping", "routes:\n  - {name: b, prefix: /b}\n  - ‸{name: a, prefix: /a\n", "not closed"},
	{"inner mapping", "routes:\n  - ‸{name: a, respond: {status: 200, prefix: /a}\n  - {name: b, prefix: /b}\n", "not closed"},
	{"wrong bracket", "routes:\n  - {name: a, hosts: [a.example‸}, prefix: /a}\n", "`]`"},
	{"wrong bracket of a mapping", "routes:\n  - {name: a, prefix: /a‸]\n", "`}`"},
	{"bracket too many", "routes:\n  - {name: a, prefix: /a}‸}\n", "nothing to close"},
	{"no comma", "routes:\n  - {name: a ‸prefix: /a}\n", "comma"},
	{"no comma at the end of a line", "routes:\n  - {name: a,\n     prefix: /a‸\n     backend: http://a}\n", "comma"},
	{"no comma in a list", "routes:\n  - {name: a, hosts: [\"a.example\" ‸\"b.example\"]}\n", "comma"},
	{"question mark", "tests:\n  - {request: GET /a‸?b=c, as: member, expect: a}\n", "quotes"},
	{"reference", "routes:\n  - {name: a, prefix: /a, backend: ‸${BACKEND}}\n", "quotes"},
	{"reference in a list", "trusted_proxies: [‸${PROXY}]\n", "quotes"},
}

// place returns the text without the mark, and the line and column of the mark.
func place(t *testing.T, marked string) (text string, line, column int) {
	before, after, found := strings.Cut(marked, "‸")
	if !found {
		t.Fatalf("no mark in %q", marked)
	}
	lastLine := before[strings.LastIndexByte(before, '\n')+1:]
	return before + after, strings.Count(before, "\n") + 1, utf8.RuneCountInString(lastLine) + 1
}

func TestSyntaxMistakes(t *testing.T) {
	for _, test := range syntaxMistakes {
		t.Run(test.name, func(t *testing.T) {
			text, line, column := place(t, test.text)
			d := Parse("routes.yaml", []byte(text))
			problems := d.Problems()
			if len(problems) == 0 {
				t.Fatalf("no problem in:\n%s", text)
			}
			got := problems[0]
			if got.Line != line || got.Column != column {
				t.Errorf("the mistake is at %d:%d, got %d:%d in:\n%s", line, column, got.Line, got.Column, text)
			}
			if !strings.Contains(got.Message+" "+got.Hint, test.says) {
				t.Errorf("got %q, hint %q; want %q in:\n%s", got.Message, got.Hint, test.says, text)
			}
		})
	}
}

// Whatever is not YAML, its problem is at a place that the text has.
func FuzzSyntaxPlace(f *testing.F) {
	for _, test := range syntaxMistakes {
		f.Add(strings.Replace(test.text, "‸", "", 1))
	}
	f.Add("a: |\n  text: [\n\tb: c\n")
	f.Add("a: {b: \"\\")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "\r\u0085\u2028\u2029") {
			return // these end a line in YAML, and the lines of a report end with \n
		}
		lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
		for _, p := range Parse("routes.yaml", []byte(text)).Problems() {
			if !strings.HasPrefix(p.Message, "not valid YAML") {
				continue
			}
			if p.Line < 0 || p.Line > len(lines)+1 || p.Column < 0 {
				t.Fatalf("%d:%d is not in the text: %s", p.Line, p.Column, p.Message)
			}
			if p.Line >= 1 && p.Line <= len(lines) && p.Column > utf8.RuneCountInString(lines[p.Line-1])+1 {
				t.Fatalf("line %d has no column %d: %s", p.Line, p.Column, p.Message)
			}
		}
	})
}
