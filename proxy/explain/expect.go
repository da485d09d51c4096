package explain

import (
	"fmt"
	"strconv"
	"strings"

	"gatehouse/auth"
	"gatehouse/config"
	"gatehouse/config/problem"
	"gatehouse/proxy"
)

// Expectation is one of the file's own tests, with its result.
type Expectation struct {
	config.Test
	Got    string // a status, or the name of the route that gets the request
	Passed bool
}

// Expectations runs the table's own tests in the order of the file. It sends nothing.
func Expectations(table *proxy.Table) []Expectation {
	tests := table.Config().Tests
	results := make([]Expectation, 0, len(tests))
	for _, test := range tests {
		got := expect(table, test)
		results = append(results, Expectation{Test: test, Got: got, Passed: got == test.Expect})
	}
	return results
}

func expect(table *proxy.Table, test config.Test) string {
	method, target, _ := strings.Cut(test.Request, " ")
	r, err := NewRequest(method, strings.TrimSpace(target), nil)
	if err != nil {
		return err.Error()
	}
	persona, known := auth.Persona(test.As)
	if !known {
		return fmt.Sprintf("nobody is called %q", test.As)
	}
	e := Request(table, r, persona)
	if _, err := strconv.Atoi(test.Expect); e.Verdict.Allowed && (e.Verdict.Status == 0 || err != nil) {
		return e.Route
	}
	return strconv.Itoa(e.Verdict.Status)
}

// Failures returns a problem for every expectation that the table does not meet.
func Failures(table *proxy.Table) problem.List {
	var problems problem.List
	for _, result := range Expectations(table) {
		if !result.Passed {
			problems = append(problems, problem.Problem{
				Position: result.Position,
				Message: fmt.Sprintf("test %q as %s: expected %s, got %s",
					result.Request, result.As, result.Expect, result.Got),
				Hint: fmt.Sprintf("`gatehouse explain %s --as %s` tells why", quoteTarget(result.Request), result.As),
			})
		}
	}
	return problems
}

// quoteTarget quotes the target of "METHOD target" for a shell.
func quoteTarget(request string) string {
	method, target, _ := strings.Cut(request, " ")
	return method + " '" + target + "'"
}
