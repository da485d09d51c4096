// Package routetest contains the request targets that tests of paths use.
package routetest

import (
	_ "embed"
	"strconv"
	"strings"
	"testing"
)

// Path is the path of an accepted target; see route.Path.
type Path struct {
	Raw, Lenient string
	EncodedSlash bool
}

//go:embed paths.txt
var paths string

// Targets returns the request targets of paths.txt, and some that are too large for a
// file. accepted maps a target to its path, refused maps a target to the reason. The
// reason is the heading of the section in paths.txt.
func Targets(t testing.TB) (accepted map[string]Path, refused map[string]string) {
	t.Helper()
	accepted, refused = map[string]Path{}, map[string]string{}
	reason := ""
	for number, line := range strings.Split(paths, "\n") {
		if section, found := strings.CutPrefix(line, "# "); found || line == "" {
			reason = section
			continue
		}
		fields := strings.Fields(line)
		for i, quoted := range fields[1:] {
			var err error
			if fields[i+1], err = strconv.Unquote(quoted); err != nil {
				t.Fatalf("paths.txt:%d: %v", number+1, err)
			}
		}
		switch {
		case fields[0] == "refuse" && len(fields) == 2:
			refused[fields[1]] = reason
		case len(fields) == 4 && (fields[0] == "accept" || fields[0] == "slash"):
			accepted[fields[1]] = Path{Raw: fields[2], Lenient: fields[3], EncodedSlash: fields[0] == "slash"}
		default:
			t.Fatalf("paths.txt:%d: %q", number+1, line)
		}
	}
	// Targets that are too large for a file.
	for _, size := range []int{8 << 10, 1 << 20} {
		segment := strings.Repeat("a", size)
		accepted["/"+segment] = Path{Raw: "/" + segment, Lenient: "/" + segment}
		deep := strings.Repeat("/a", size/2)
		accepted[deep] = Path{Raw: deep, Lenient: deep}
		refused[strings.Repeat("/..", size/3)] = "dot segments"
		refused["/"+strings.Repeat("%2e%2e%2f", size/9)] = "dot segments"
		refused["/%"+strings.Repeat("25", size/2)] = "encoded over and over"
		refused[strings.Repeat("/", size)] = "empty segments"
	}
	return accepted, refused
}
