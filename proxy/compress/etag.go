package compress

import (
	"iter"
	"net/http"
	"slices"
	"strings"
)

// weaken makes a strong ETag weak.
func weaken(header http.Header) {
	if tag := first(header["Etag"]); strings.HasPrefix(tag, `"`) {
		header["Etag"] = []string{"W/" + tag}
	}
}

// weakTags returns the weak ETags in the values of If-None-Match or If-Match (RFC 9110 section
// 8.8.3), each without its W/. It ends where a value is not a list of tags.
func weakTags(values []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, list := range values {
			for {
				list = strings.TrimLeft(list, " \t,")
				rest, isWeak := strings.CutPrefix(list, "W/")
				if !strings.HasPrefix(rest, `"`) {
					break
				}
				end := strings.IndexByte(rest[1:], '"')
				if end < 0 {
					break
				}
				tag := rest[:end+2]
				if isWeak && !yield(tag) {
					return
				}
				list = rest[len(tag):]
			}
		}
	}
}

// AsStored returns a request whose conditions also name the strong form of each weak ETag.
// Clients have weak ones of answers that were compressed. A backend may compare the text, and
// for If-Match must not find that a weak one matches (RFC 9110 section 13.1).
func AsStored(r *http.Request) *http.Request {
	changed := r
	for _, name := range [...]string{"If-None-Match", "If-Match"} {
		values := r.Header[name]
		if len(values) == 0 {
			continue
		}
		strong := slices.Collect(weakTags(values))
		if len(strong) == 0 {
			continue
		}
		if changed == r {
			changed = r.WithContext(r.Context()) // a copy
			changed.Header = r.Header.Clone()
		}
		changed.Header[name] = []string{strings.Join(slices.Concat(values, strong), ", ")}
	}
	return changed
}
