// This file has the rules for redirects: where they lead, and their
// placeholders.

package config

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

// The placeholders in `redirect.to`.
const (
	PlaceholderRest = "{rest}" // the path behind the route's prefix
	PlaceholderHost = "{host}" // the host of the request, without port
)

// RedirectStatuses returns the statuses that a redirect may have.
func RedirectStatuses() []int { return []int{301, 302, 303, 307, 308} }

// SplitTarget splits the target of a redirect: the scheme and the host, which
// are empty when it is a path; the path; and the query with its "?".
func SplitTarget(to string) (origin, path, query string) {
	path, _, _ = strings.Cut(to, "?")
	query = to[len(path):]
	if scheme, rest, found := strings.Cut(path, "://"); found {
		host, _, _ := strings.Cut(rest, "/")
		origin = scheme + "://" + host
		path = path[len(origin):]
	}
	return origin, path, query
}

// redirect checks where a route redirects to.
func (v *validator) redirect(field *yamldoc.Field, route *Route) {
	given := field.Get("redirect")
	if given == nil || route.Redirect == nil {
		return
	}
	given.Require("to", route.Redirect.To, "a path such as /new, or a URL")
	if given.Get("to") != nil && route.Redirect.To != "" {
		given.Check("to", route.Redirect.To, func(to string) *problem.Fault { return redirectRule(to, route.Hosts) })
	}
	given.Check("status", route.Redirect.Status.String(), func(status string) *problem.Fault {
		if code, _ := strconv.Atoi(status); slices.Contains(RedirectStatuses(), code) {
			return nil
		}
		return &problem.Fault{Reason: "not the status of a redirect", Hint: "one of 301, 302, 303, 307, 308"}
	})
}

// redirectRule checks the target of a redirect. A client never chooses the host:
// it is in the table, or one of the hosts of the route.
func redirectRule(to string, hosts []string) *problem.Fault {
	switch {
	case strings.ContainsAny(to, `\`):
		return &problem.Fault{Reason: "contains a backslash", Hint: "browsers read it as a slash"}
	case strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return &problem.Fault{Reason: "contains a space, a control character or a character outside ASCII", Hint: "write it with percent escapes"}
	case strings.Contains(to, "#"):
		return &problem.Fault{Reason: "must not have a fragment", Hint: "remove the # and what follows"}
	case strings.HasPrefix(to, "//"):
		return &problem.Fault{Reason: "begins with two slashes, which browsers read as a host", Hint: "write the whole URL, or one slash"}
	}
	origin, path, query := SplitTarget(to)
	f := problem.First(placeholderRule(to), redirectOrigin(to, origin, hosts))
	switch {
	case f != nil:
		return f
	case strings.Contains(to, PlaceholderHost) && len(hosts) == 0:
		return &problem.Fault{Reason: PlaceholderHost + " needs `hosts`: without them, a client could choose any host", Hint: "give the route `hosts`, or write the host"}
	}
	return redirectPath(path + query)
}

// placeholderRule refuses braces that belong to no placeholder.
func placeholderRule(to string) *problem.Fault {
	without := strings.NewReplacer(PlaceholderRest, "", PlaceholderHost, "").Replace(to)
	at := strings.IndexAny(without, "{}")
	if at < 0 {
		return nil
	}
	f := &problem.Fault{Reason: "has an unknown placeholder", Hint: "there are {rest} and {host}"}
	if name, _, closed := strings.Cut(without[at:], "}"); closed && without[at] == '{' {
		f.Reason = "has an unknown placeholder " + problem.Quote(name+"}")
	}
	return f
}

// redirectOrigin checks the scheme and the host of a target. origin is empty for
// a path.
func redirectOrigin(to, origin string, hosts []string) *problem.Fault {
	if origin == "" {
		if strings.HasPrefix(to, "/") {
			return nil
		}
		return &problem.Fault{Reason: "must be a path or a URL", Hint: "begin with /, http:// or https://"}
	}
	scheme, host, _ := strings.Cut(origin, "://")
	switch {
	case !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https"):
		return &problem.Fault{Reason: "unknown scheme " + problem.Quote(scheme), Hint: "it must be http or https"}
	case strings.Contains(host, "@"):
		return &problem.Fault{Reason: "must not contain a user name or a password", Hint: "every client would see it"}
	case strings.Contains(host, PlaceholderRest):
		return &problem.Fault{Reason: PlaceholderRest + " must not be in the host: a client could choose it", Hint: "put it behind the host, as in https://new.example.com/{rest}"}
	case !strings.Contains(host, PlaceholderHost):
		return redirectHost(host)
	}
	for _, allowed := range hosts {
		name := strings.TrimPrefix(allowed, "*.")
		if strings.Contains(name, ":") { // an IPv6 address
			name = "[" + name + "]"
		}
		if f := redirectHost(strings.ReplaceAll(host, PlaceholderHost, name)); f != nil {
			return f
		}
	}
	return nil
}

// redirectHost checks a host with or without a port.
func redirectHost(host string) *problem.Fault {
	parsed, err := url.Parse("http://" + host)
	if err != nil || parsed.Hostname() == "" || strings.Contains(host, "%") {
		return &problem.Fault{Reason: "has no valid host", Hint: "such as https://new.example.com/path"}
	}
	return problem.First(value.CheckHost(parsed.Hostname()), portRule(parsed))
}

// redirectPath checks the path and the query of a target, with samples for its
// placeholders.
func redirectPath(pathAndQuery string) *problem.Fault {
	path, _, _ := strings.Cut(strings.NewReplacer(PlaceholderRest, "rest", PlaceholderHost, "host").Replace(pathAndQuery), "?")
	parsed, err := url.Parse(path)
	if err != nil {
		return &problem.Fault{Reason: "its path has a broken escape", Hint: "a percent sign is written %25"}
	}
	if _, err := url.PathUnescape(pathAndQuery); err != nil {
		return &problem.Fault{Reason: "its query has a broken escape", Hint: "a percent sign is written %25"}
	}
	return redirectSegments(parsed.Path)
}

// redirectSegments refuses paths that clients read in different ways.
func redirectSegments(path string) *problem.Fault {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	switch {
	case slices.Contains(segments, ".."), slices.Contains(segments, "."):
		return &problem.Fault{Reason: "its path has a dot segment", Hint: "write the path it leads to"}
	case strings.Contains(path, "//"):
		return &problem.Fault{Reason: "its path has an empty segment (`//`)"}
	case strings.Contains(path, `\`):
		return &problem.Fault{Reason: "its path has an escaped backslash", Hint: "browsers may read it as a slash"}
	}
	return nil
}
