// This file has the rules for fixed answers.

package config

import (
	"cmp"
	"mime"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"gatehouse/config/problem"
	"gatehouse/config/textfile"
	"gatehouse/config/yamldoc"
)

// respond checks the answer of a route.
func (v *validator) respond(field *yamldoc.Field, route *Route) {
	given, answer := field.Get("respond"), route.Respond
	if given == nil || answer == nil {
		return
	}
	if given.IsEmpty() {
		given.Fail("is empty", "give it a status, such as 503, or a body or a file")
		return
	}
	if given.Given("body") && given.Given("file") {
		given.Forbid("file", "and body exclude each other", "an answer has one of them")
	}
	for _, key := range []string{"body", "file"} {
		if given.Given(key) && !bodyAllowed(int(answer.Status)) {
			given.Forbid(key, "does not go with status "+answer.Status.String(), "such an answer has no body")
		}
	}
	if given.Given("content_type") && !given.Given("body") && !given.Given("file") {
		given.Forbid("content_type", "needs a body or a file", "remove it: the answer has no body")
	}
	given.Check("body", answer.Body, notEmptyRule)
	given.Check("file", answer.File, fileRule)
	given.Check("content_type", answer.ContentType, contentTypeRule)
	given.RefuseEmpty("headers", "to add none")
	for name, header := range given.Get("headers").Keys() {
		respondHeader(header, name, answer.Headers[name])
	}
}

// MaxAnswerFile is the largest size of the file of a fixed answer, in bytes. The file is
// kept in memory.
const MaxAnswerFile = 10 << 20

// reportUnreadableAnswers reports the files of fixed answers that cannot be read, for a
// table with other errors. proxy.Compile does so for a table without errors.
func (l *loader) reportUnreadableAnswers(p *part) {
	for i, field := range p.fields.Get("routes").Entries() {
		answer := p.config.Routes[i].Respond
		given := field.Get("respond").Get("file")
		if answer == nil || !given.Valid() || answer.File == "" {
			continue
		}
		if _, err := textfile.ReadBelow(cmp.Or(answer.Folder, l.folder), answer.File, MaxAnswerFile); err != nil {
			given.Reject(&problem.Fault{Reason: "cannot be read: " + err.Error()})
		}
	}
}

// bodyAllowed reports whether answers with a status may have a body (RFC 9110
// sections 15.3.5, 15.3.6 and 15.4.5).
func bodyAllowed(status int) bool {
	return status != http.StatusNoContent && status != http.StatusResetContent && status != http.StatusNotModified
}

// fileRule checks the path of a file that is relative to the folder of the table.
func fileRule(file string) *problem.Fault {
	if file != "" && !filepath.IsAbs(file) && !filepath.IsLocal(file) {
		return &problem.Fault{Reason: "leaves the folder of the table", Hint: "write an absolute path, if that is meant"}
	}
	return notEmptyRule(file)
}

func notEmptyRule(text string) *problem.Fault {
	if text == "" {
		return &problem.Fault{Reason: "is empty", Hint: "give it a value, or omit it"}
	}
	return nil
}

func contentTypeRule(text string) *problem.Fault {
	kind, _, err := mime.ParseMediaType(text)
	if err != nil || !strings.Contains(kind, "/") || !httpguts.ValidHeaderFieldValue(text) {
		return &problem.Fault{Reason: "not a media type", Hint: "such as text/html; charset=utf-8"}
	}
	return nil
}

// FixedAnswerHeaders returns the folded names of headers that a fixed answer
// cannot set: the gateway computes them, or other keys set them.
func FixedAnswerHeaders() []string {
	return []string{
		"accept-ranges", "connection", "content-encoding", "content-length", "content-range", "content-type", "date", "etag",
		"keep-alive", "last-modified", "location", "te", "trailer", "transfer-encoding", "upgrade", "vary", "x-process-time", "x-request-id",
	}
}

// FixedAnswerHeaderPrefixes returns prefixes of such folded names.
func FixedAnswerHeaderPrefixes() []string { return []string{"access-control-", "proxy-"} }

// respondHeader checks one header of a fixed answer.
func respondHeader(header *yamldoc.Field, name, value string) {
	folded := FoldHeader(name)
	has := func(prefix string) bool { return strings.HasPrefix(folded, prefix) }
	switch {
	case !isToken(name):
		header.RejectKey(&problem.Fault{Reason: "not a header's name", Hint: "such as Retry-After"})
	case folded == "content-type":
		header.RejectKey(&problem.Fault{Reason: "this header has a key of its own", Hint: "use content_type"})
	case folded == "location":
		header.RejectKey(&problem.Fault{Reason: "an address belongs to a redirect", Hint: "use `redirect` instead of `respond`"})
	case slices.Contains(FixedAnswerHeaders(), folded), slices.ContainsFunc(FixedAnswerHeaderPrefixes(), has):
		header.RejectKey(&problem.Fault{Reason: "the gateway itself sets this header"})
	case !header.Valid():
	case strings.TrimSpace(value) == "":
		header.Fail("is empty", "omit it")
	case !httpguts.ValidHeaderFieldValue(value):
		header.Fail("has control characters", "")
	}
}
