// This file has the rules for headers that the gateway adds to answers.

package config

import (
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"gatehouse/config/problem"
)

// PerResponseHeaders returns the folded names of headers that describe one
// answer, so that a table cannot set them.
func PerResponseHeaders() []string {
	return []string{
		"connection", "content-encoding", "content-length", "content-range", "content-type", "date", "keep-alive", "location",
		"retry-after", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "vary", "www-authenticate",
		"x-process-time", "x-request-id",
	}
}

func (v *validator) responseHeaders() {
	v.file.RefuseEmpty("response_headers", "to add none")
	for name, header := range v.file.Get("response_headers").Keys() {
		folded, value := FoldHeader(name), v.config.ResponseHeaders[name]
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			header.RejectKey(&problem.Fault{Reason: "not a header's name", Hint: "such as Strict-Transport-Security"})
		case slices.Contains(PerResponseHeaders(), folded):
			header.RejectKey(&problem.Fault{Reason: "this header describes one answer only"})
		case strings.HasPrefix(folded, "access-control-"):
			header.RejectKey(&problem.Fault{Reason: "the cross-origin rules set this header", Hint: "see `cors:`"})
		case !header.Valid():
		case strings.TrimSpace(value) == "":
			header.Fail("is empty", "omit it to keep the backend's")
		case !httpguts.ValidHeaderFieldValue(value):
			header.Fail("has control characters", "")
		}
	}
}
