// This file has the rules for backend URLs and host names.

package config

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/value"
)

// backendRule checks the URL of a backend.
func backendRule(backend *url.URL) *problem.Fault {
	switch {
	case backend.Scheme != "http" && backend.Scheme != "https":
		return unknownScheme(backend.Scheme)
	case backend.User != nil:
		return &problem.Fault{Reason: "must not contain a user name or a password", Hint: "it would be visible to everybody who sees the table"}
	case backend.Hostname() == "":
		return &problem.Fault{Reason: "has no host", Hint: "such as http://query-service:8080"}
	case backend.RawQuery != "" || backend.ForceQuery:
		return &problem.Fault{Reason: "must not have a query", Hint: "the request's own query is forwarded"}
	case backend.Fragment != "":
		return &problem.Fault{Reason: "must not have a fragment", Hint: "remove the # and what follows"}
	}
	return problem.First(value.CheckHost(backend.Hostname()), portRule(backend), basePath(backend))
}

func unknownScheme(scheme string) *problem.Fault {
	hint := problem.DidYouMean(scheme, []string{"http", "https"})
	switch scheme {
	case "ws":
		hint = "write http://: WebSockets pass through it"
	case "wss":
		hint = "write https://: WebSockets pass through it"
	case "h2c", "grpc":
		hint = "write http:// and `protocol: h2c`"
	case "ftp":
		hint = ""
	case "":
		return &problem.Fault{Reason: "has no scheme", Hint: "begin with http:// or https://"}
	}
	if hint == "" {
		hint = "it must be http or https"
	}
	return &problem.Fault{Reason: "unknown scheme " + problem.Quote(scheme), Hint: hint}
}

func portRule(backend *url.URL) *problem.Fault {
	port := backend.Port()
	if port == "" {
		if strings.HasSuffix(backend.Host, ":") {
			return &problem.Fault{Reason: "has no port after the colon"}
		}
		return nil
	}
	number, err := strconv.Atoi(port)
	if err != nil || number < 1 || number > 65535 {
		return &problem.Fault{Reason: "port " + port + " is not between 1 and 65535"}
	}
	return nil
}

// basePath checks the path that is put before the path of a request.
func basePath(backend *url.URL) *problem.Fault {
	segments := strings.Split(strings.TrimPrefix(backend.Path, "/"), "/")
	switch {
	case slices.Contains(segments, ".."), slices.Contains(segments, "."):
		return &problem.Fault{Reason: "its path has a dot segment", Hint: "write the path it leads to"}
	case strings.Contains(backend.Path, "//"):
		return &problem.Fault{Reason: "its path has an empty segment (`//`)"}
	case strings.ContainsAny(backend.Path, `\;`):
		return &problem.Fault{Reason: "its path contains a backslash or a semicolon", Hint: "backends disagree on what they mean in a path"}
	}
	return nil
}

// hostRule checks a host that a route matches, in lower case.
func hostRule(host string) *problem.Fault {
	if strings.Contains(host, "/") {
		return &problem.Fault{Reason: "not a host", Hint: "a name such as api.example.com, without scheme and path"}
	}
	if name, port, found := strings.Cut(host, ":"); found && !strings.Contains(port, ":") {
		return &problem.Fault{Reason: "a host is matched without its port", Write: name}
	}
	if host == "*" {
		return &problem.Fault{Reason: "matches every host", Hint: "omit `hosts` for that"}
	}
	name := strings.TrimPrefix(host, "*.")
	if strings.Contains(name, "*") {
		return &problem.Fault{Reason: "a `*` may only be the first label", Hint: "such as *.example.com"}
	}
	if name != host && value.IsAddress(name) {
		return &problem.Fault{Reason: "an address has no names below it"}
	}
	return value.CheckHost(name)
}
