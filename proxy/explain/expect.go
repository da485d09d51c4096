package explain

import (
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
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
	// Mismatches are the parts of the expectation that were not met.
	Mismatches []Mismatch
}

// Mismatch is a part of an expectation that was not met.
type Mismatch struct {
	Field    string `json:"field,omitempty"` // such as "status"; "" when the expectation is one word
	Expected string `json:"expected"`
	Got      string `json:"got"`
}

// String returns what was expected, and what was found.
func (m Mismatch) String() string {
	if m.Field == "" {
		return fmt.Sprintf("expected %s, got %s", m.Expected, m.Got)
	}
	return fmt.Sprintf("%s: expected %s, got %s", m.Field, m.Expected, m.Got)
}

// Expectations runs the table's own tests in the order of the file. It sends nothing.
func Expectations(table *proxy.Table) []Expectation {
	tests := table.Config().Tests
	results := make([]Expectation, 0, len(tests))
	for _, test := range tests {
		result := Expectation{Test: test}
		result.Got, result.Mismatches = expect(table, &test)
		result.Passed = len(result.Mismatches) == 0
		results = append(results, result)
	}
	return results
}

// testRequest returns the request of a test.
func testRequest(test *config.Test) (*http.Request, error) {
	header := http.Header{}
	for name, value := range test.Headers {
		header.Set(name, value)
	}
	if test.Host != "" {
		header.Set("Host", test.Host)
	}
	method, target, _ := strings.Cut(test.Request, " ")
	r, err := NewRequest(method, strings.TrimSpace(target), header)
	if err != nil || test.From == "" {
		return r, err
	}
	from, err := netip.ParseAddr(test.From)
	if err != nil {
		return nil, err
	}
	SetClient(r, from)
	return r, nil
}

// expect returns what happens to the request of a test, and what was not as expected.
func expect(table *proxy.Table, test *config.Test) (got string, mismatches []Mismatch) {
	r, err := testRequest(test)
	if err != nil {
		return err.Error(), []Mismatch{{Expected: "a request", Got: err.Error()}}
	}
	caller := auth.Simulated(&test.As)
	o := outcome{table: table, request: r, caller: caller, Explanation: Request(table, r, caller)}
	want := &test.Expect
	add := func(field, expected, got string) {
		if expected != got {
			mismatches = append(mismatches, Mismatch{field, expected, got})
		}
	}
	if want.Status != 0 {
		add("status", want.Status.String(), o.status())
	}
	if want.To != "" {
		add("to", want.To, o.to(want.To))
	}
	if want.Location != "" {
		got := o.Verdict.Location
		if got == "" {
			got = "none, but " + o.reached()
		}
		add("location", want.Location, got)
	}
	for _, name := range slices.Sorted(maps.Keys(want.Header)) {
		if value, expected := o.header(name), want.Header[name]; value != expected {
			add("header "+name, shownValue(name, expected), shownValue(name, value))
		}
	}
	if test.Expect.IsWord() && len(mismatches) > 0 {
		mismatches[0].Field = ""
	}
	if want.Status != 0 && want.To == "" {
		return o.status(), mismatches
	}
	return o.reached(), mismatches
}

// outcome is what happens to the request of a test.
type outcome struct {
	Explanation
	table   *proxy.Table
	request *http.Request
	caller  auth.Decider
	answer  http.Header // nil before it was asked for
}

// reached returns the name of the route to which the request passes, or the status of the
// refusal.
func (o *outcome) reached() string {
	if o.Verdict.Allowed {
		return o.Route
	}
	return strconv.Itoa(o.Verdict.Status)
}

// status returns the status of the gateway's own answer, or the name of the route to which
// the request passes.
func (o *outcome) status() string {
	if o.Verdict.Status == 0 {
		return o.Route
	}
	return strconv.Itoa(o.Verdict.Status)
}

// to returns where the request passes, in the same form as the expectation.
func (o *outcome) to(expected string) string {
	isURL := strings.Contains(expected, "://") && !strings.HasPrefix(expected, "/")
	if o.Forwarded == nil || !isURL && !strings.HasPrefix(expected, "/") {
		return o.reached()
	}
	if isURL {
		if slices.Contains(o.Forwarded.URLs, expected) { // by any of the servers
			return expected
		}
		return o.Forwarded.URL
	}
	parsed, err := url.Parse(o.Forwarded.URL)
	if err != nil { // it was formatted by net/url
		return o.Forwarded.URL
	}
	return parsed.RequestURI()
}

// header returns a header of the request to the backend, or of the gateway's answer. It
// returns "" when it is absent.
func (o *outcome) header(name string) string {
	if o.Forwarded != nil {
		if strings.EqualFold(name, "Host") {
			return o.Forwarded.Host
		}
		return joined(o.Forwarded.Headers, name)
	}
	if o.answer == nil {
		o.answer = o.table.AnswerHeader(o.request, o.caller)
	}
	return joined(o.answer, name)
}

// joined returns all values of a header, whatever the spelling of its name.
func joined(header http.Header, name string) string {
	var all []string
	for spelled, values := range header {
		if strings.EqualFold(spelled, name) {
			all = append(all, values...)
		}
	}
	return strings.Join(all, ", ")
}

// shownValue returns the value of a header for a message. It hides what may be a secret.
func shownValue(name, value string) string {
	switch {
	case value == "":
		return "none"
	case problem.IsSecretName(name), strings.Contains(strings.ToLower(name), "cookie"):
		return digest(value)
	}
	return problem.Quote(value)
}

// Failures returns a problem for every expectation that the table does not meet.
func Failures(table *proxy.Table) problem.List {
	var problems problem.List
	for _, result := range Expectations(table) {
		if !result.Passed {
			problems = append(problems, problem.Problem{
				Position: result.Position,
				Message:  fmt.Sprintf("test %q as %s: %s", result.Request, bounded(result.Who()), result.Why()),
				Hint:     "`" + bounded(explainCommand(&result.Test)) + "` tells why",
			})
		}
	}
	return problems
}

// maxShown bounds the caller of a test in a message, in characters. Claims may be long.
const maxShown = 400

// bounded shortens a text that is too long for a message.
func bounded(text string) string {
	if characters := []rune(text); len(characters) > maxShown {
		return string(characters[:maxShown]) + "…"
	}
	return text
}

// Who returns the caller of a test, and what else is said about the request.
func (e *Expectation) Who() string { return whoText(&e.Test) }

// Want returns the expectation as text. The values of headers may be secrets, so it has
// digests of them.
func (e *Expectation) Want() string { return expectationText(&e.Expect) }

// Why returns what was not as expected.
func (e *Expectation) Why() string {
	parts := make([]string, len(e.Mismatches))
	for i, mismatch := range e.Mismatches {
		parts[i] = mismatch.String()
	}
	return strings.Join(parts, "; ")
}

// whoText returns the caller of a test with the rest of the request, except the values of
// headers.
func whoText(test *config.Test) string {
	parts := []string{test.As.String()}
	if test.Host != "" {
		parts = append(parts, "host "+test.Host)
	}
	for _, name := range slices.Sorted(maps.Keys(test.Headers)) {
		parts = append(parts, "header "+name)
	}
	if test.From != "" {
		parts = append(parts, "from "+test.From)
	}
	return strings.Join(parts, ", ")
}

// testText returns a test as text that can be compared. Values of headers may be secrets.
func testText(test *config.Test) string {
	text := fmt.Sprintf("%s as %s", test.Request, whoText(test))
	if len(test.Headers) > 0 {
		text += " (" + digests(test.Headers) + ")"
	}
	return text + ": " + expectationText(&test.Expect)
}

// expectationText returns an expectation as text.
func expectationText(e *config.Expectation) string {
	var parts []string
	add := func(field, value string) {
		if value == "" {
			return
		}
		if !e.IsWord() {
			value = field + " " + value
		}
		parts = append(parts, value)
	}
	if e.Status != 0 {
		add("status", e.Status.String())
	}
	add("to", e.To)
	add("location", e.Location)
	add("header", digests(e.Header))
	return strings.Join(parts, ", ")
}

// explainCommand returns the command that explains the request of a test. The values of
// its headers may be secrets, so they are left out.
func explainCommand(test *config.Test) string {
	method, target, _ := strings.Cut(test.Request, " ")
	words := []string{"gatehouse explain", method, quoted(target), "--as"}
	if test.As.Name != "" {
		words = append(words, test.As.Name)
	} else {
		words = append(words, quoted(test.As.String()))
	}
	if test.Host != "" {
		words = append(words, "--host", test.Host)
	}
	for _, name := range slices.Sorted(maps.Keys(test.Headers)) {
		words = append(words, "-H", quoted(name+": …"))
	}
	if test.From != "" {
		words = append(words, "--from", test.From)
	}
	return strings.Join(words, " ")
}

// quoted quotes a text for a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
