// The headers that the gateway adds to answers.

package config

import (
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
)

// perResponseHeaders are folded names of headers that say something of one answer,
// which a table cannot know.
func perResponseHeaders() []string {
	return []string{
		"connection", "content-encoding", "content-length", "content-range", "content-type", "date", "keep-alive", "location",
		"retry-after", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "vary", "www-authenticate",
		"x-process-time", "x-request-id",
	}
}

func (v *validator) responseHeaders(file section) {
	file.refuseEmpty("response_headers", "to add none")
	v.eachPair(file, "response_headers", func(key, value *yaml.Node) {
		at := place{"", "response_headers"}
		folded := foldHeader(key.Value)
		switch {
		case !httpguts.ValidHeaderFieldName(key.Value):
			v.reject(at, key, &problem.Fault{Reason: "not a header's name", Hint: "such as Strict-Transport-Security"})
		case slices.Contains(perResponseHeaders(), folded):
			v.reject(at, key, &problem.Fault{Reason: "this header says something of one answer alone"})
		case strings.HasPrefix(folded, "access-control-"):
			v.reject(at, key, &problem.Fault{Reason: "this header is written by cross-origin rules", Hint: "see `cors:`"})
		case !v.failed[value] && strings.TrimSpace(v.config.ResponseHeaders[key.Value]) == "":
			v.fail(value, "response_headers: "+key.Value+" is empty", "leave it out to leave the backend's")
		case !v.failed[value] && !httpguts.ValidHeaderFieldValue(v.config.ResponseHeaders[key.Value]):
			v.fail(value, "response_headers: "+key.Value+" has control characters", "")
		}
	})
}
