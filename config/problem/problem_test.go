// Tests of how problems are written, and of the word that was meant.

package problem

import (
	"strings"
	"testing"
)

func TestProblemRendering(t *testing.T) {
	at := Position{"routes.yaml", 3, 5}
	tests := map[string]struct {
		problem Problem
		want    string
	}{
		"all":       {Problem{Position: at, Message: "bad", Hint: "do so", Source: "    x: y"}, "routes.yaml:3:5: bad\n      x: y\n      ^\n  hint: do so\n"},
		"tabs":      {Problem{Position: at, Message: "bad", Source: "\t\t  x"}, "routes.yaml:3:5: bad\n  \t\t  x\n  \t\t  ^\n"},
		"terminal":  {Problem{Position: at, Message: "bad", Source: "ab\x1b[2Jx"}, "routes.yaml:3:5: bad\n  ab\ufffd[2Jx\n      ^\n"},
		"past end":  {Problem{Position: at, Message: "bad", Source: "a"}, "routes.yaml:3:5: bad\n  a\n   ^\n"},
		"no column": {Problem{Position: Position{"routes.yaml", 3, 0}, Message: "bad", Source: "a"}, "routes.yaml:3: bad\n  a\n"},
		"no line":   {Problem{Position: Position{"routes.yaml", 0, 0}, Message: "bad"}, "routes.yaml: bad\n"},
		"no file":   {Problem{Message: "bad", Severity: SeverityWarning}, "warning: bad\n"},
		"long": {
			Problem{Position: Position{"f", 1, 101}, Message: "bad", Source: strings.Repeat("a", 100) + "x" + strings.Repeat("b", 100)},
			"f:1:101: bad\n  …" + strings.Repeat("a", 60) + "x" + strings.Repeat("b", 59) + "…\n  " + strings.Repeat(" ", 61) + "^\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			n, err := test.problem.WriteTo(&got)
			if err != nil || got.String() != test.want || n != int64(len(test.want)) {
				t.Errorf("got %q, want %q (%v)", got.String(), test.want, err)
			}
		})
	}
}

func TestProblemsError(t *testing.T) {
	problems := List{
		{Position: Position{"f", 1, 2}, Message: "bad", Hint: "do so"},
		{Position: Position{"f", 3, 4}, Message: "odd", Severity: SeverityWarning},
	}
	if got, want := problems.Error(), "f:1:2: bad (do so)\nf:3:4: warning: odd"; got != want {
		t.Errorf("got %q", got)
	}
	if !problems.HasErrors() || problems.Warnings().HasErrors() || len(problems.Errors()) != 1 || len(problems.Warnings()) != 1 {
		t.Error("severities are mixed up")
	}
}

func TestNearest(t *testing.T) {
	known := []string{"methods", "hosts", "http", "https", "any", "GET"}
	for word, want := range map[string]string{
		"method": "methods", "Methods": "methods", "mehtods": "methods", "htp": "http", "htps": "https", "host": "hosts",
		"xy": "", "ab": "", "": "", "zzz": "", "get": "GET", strings.Repeat("methods", 20): "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}
