// This file finds prefixes that a careless backend reads as another route's.

package lint

import (
	"net/url"
	"strings"
)

// ambiguousBelow returns the stricter prefix that the weaker prefix is under
// for a backend that drops the ends of segments, but not for one that reads
// segments unchanged.
func (g *stricterRoutes) ambiguousBelow(prefix string) (backendRoute, bool) {
	read := withoutSegmentTails(prefix)
	if read == prefix {
		return backendRoute{}, false
	}
	stricter, found := g.nearestAbove(read)
	if !found {
		return backendRoute{}, false
	}
	asWritten, _ := g.nearestAbove(prefix)
	return stricter, stricter.field != asWritten.field
}

// withoutSegmentTails returns a prefix as the most careless backend reads it:
// decoded, without a query, and with each segment cut. A cut segment has no
// parameters, no NTFS streams, no dots and spaces at its end, and no spaces at
// its beginning. The gateway refuses requests that are ambiguous in this way
// (proxy/route/path.go), but accepts prefixes as written.
func withoutSegmentTails(prefix string) string {
	if !strings.ContainsAny(prefix, ".:%") {
		return prefix
	}
	decoded, err := url.PathUnescape(prefix)
	if err != nil {
		return prefix
	}
	if end := strings.IndexAny(decoded, "?#"); end >= 0 {
		decoded = decoded[:end]
	}
	var read strings.Builder
	for segment := range strings.SplitSeq(decoded[1:], "/") {
		if end := strings.IndexAny(segment, ":;"); end >= 0 {
			segment = segment[:end]
		}
		if name := strings.TrimLeft(strings.TrimRight(segment, ". "), " "); name != "" {
			read.WriteString("/" + name)
		}
	}
	if read.Len() == 0 {
		return "/"
	}
	return read.String()
}
