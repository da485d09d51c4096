// This file has the rules for cross-origin policies.

package config

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"gatehouse/config/problem"
	"gatehouse/config/yamldoc"
)

// cors checks the policy of the table, of a route or of `defaults:`. of is where
// the key is.
func (v *validator) cors(of *yamldoc.Field, policy *CORS) {
	field := of.Get("cors")
	if field.IsPlain() || field == nil || policy == nil {
		return
	}
	credentials := policy.Credentials
	field.CheckEach("origins", policy.Origins, func(origin string) *problem.Fault {
		if f := originRule(origin); f != nil || !credentials {
			return f
		}
		return originWithCredentials(origin)
	})
	if len(policy.Origins) == 0 && (field.Get("origins") != nil || !field.Given("origins")) {
		field.Fail("has no origins", "list the origins that may call, or omit `cors`")
	}
	field.CheckEach("expose", policy.Expose, func(name string) *problem.Fault {
		if name == "*" && credentials {
			return &problem.Fault{Reason: "browsers take `*` literally when there are credentials", Hint: "list the headers"}
		}
		return headerName(name)
	})
	field.RefuseEmpty("allow_methods", "to allow the usual methods and those of the routes")
	field.CheckEach("allow_methods", policy.AllowMethods, methodRule)
	field.RefuseEmpty("allow_headers", "to allow every header")
	field.CheckEach("allow_headers", policy.AllowHeaders, func(name string) *problem.Fault {
		if name == "*" {
			return &problem.Fault{Reason: "browsers take `*` literally when there are credentials", Hint: "omit allow_headers to allow every header"}
		}
		return headerName(name)
	})
	if field.Given("private_network") && policy.PrivateNetwork && slices.Contains(policy.Origins, "*") {
		field.Forbid("private_network", "and the origin `*` exclude each other: any page could send requests into your network", "list the origins")
	}
}

// originRule checks an entry of `origins`, apart from credentials.
func originRule(origin string) *problem.Fault {
	if origin == "*" {
		return nil
	}
	scheme, rest, found := strings.Cut(origin, "://")
	switch {
	case origin == "null":
		return &problem.Fault{Reason: "null is the origin of any sandboxed page", Hint: "name the origin itself"}
	case len(origin) > maxOrigin:
		return &problem.Fault{Reason: "too long for an origin"}
	case !found:
		return &problem.Fault{Reason: "not an origin", Hint: "scheme://host, such as https://app.example.com"}
	}
	return problem.First(originScheme(scheme), originRest(rest), originClasses(origin), originAddress(origin))
}

func originScheme(scheme string) *problem.Fault {
	const characters = "abcdefghijklmnopqrstuvwxyz0123456789+.-"
	switch {
	case scheme == "http" || scheme == "https":
		return nil
	case strings.Contains(scheme, "*") || strings.Contains(scheme, "["):
		return &problem.Fault{Reason: "the scheme cannot be a pattern", Hint: "list the http and the https origin"}
	case scheme == "" || strings.Trim(scheme, characters) != "":
		return &problem.Fault{Reason: "not an origin", Hint: "scheme://host in lower case, such as https://app.example.com"}
	}
	if hint := problem.DidYouMean(scheme, []string{"http", "https"}); hint != "" {
		return &problem.Fault{Reason: "unknown scheme " + problem.Quote(scheme), Hint: hint}
	}
	// Browser extensions and desktop applications have their own schemes.
	return nil
}

// originRest checks the part after the scheme: a host, with or without a port.
func originRest(rest string) *problem.Fault {
	host, path, hasPath := strings.Cut(rest, "/")
	switch {
	case rest == "":
		return &problem.Fault{Reason: "has no host"}
	case hasPath && path == "":
		return &problem.Fault{Reason: "an origin has no slash at its end", Hint: "remove the slash"}
	case hasPath:
		return &problem.Fault{Reason: "an origin has no path", Hint: "scheme://host, and the port if it is not the default"}
	case strings.Contains(host, "@"):
		return &problem.Fault{Reason: "an origin has no user name"}
	case strings.ToLower(host) != host:
		return &problem.Fault{Reason: "browsers send the host in lower case", Hint: "write it in lower case"}
	case strings.Contains(host, "**"):
		return &problem.Fault{Reason: "contains `**`", Hint: "one `*` stands for one or more characters of a label"}
	}
	for _, c := range host {
		if c >= 0x80 {
			return &problem.Fault{Reason: "contains a character outside ASCII", Hint: "write the host in Punycode (xn--…)"}
		}
		if !isAlphanumeric(byte(c)) && !strings.ContainsRune(".-_:*[]", c) {
			return &problem.Fault{Reason: "an origin cannot contain " + problem.Quote(string(c))}
		}
	}
	return nil
}

func originClasses(origin string) *problem.Fault {
	if !isOriginPattern(origin) {
		if strings.ContainsAny(withoutAddress(origin), "[]") {
			return &problem.Fault{Reason: "a `]` has no `[`"}
		}
		return nil
	}
	if _, err := originExpression(origin); err != nil {
		return &problem.Fault{Reason: err.Error(), Hint: "such as [0-9] or [abc]"}
	}
	return nil
}

// originAddress checks host and port separately, when they are not patterns.
func originAddress(origin string) *problem.Fault {
	scheme, rest, _ := strings.Cut(withoutAddress(origin), "://")
	host, port, hasPort := strings.Cut(rest, ":")
	switch bare := withoutAddress(origin) == origin; {
	case host == "" && bare:
		return &problem.Fault{Reason: "has no host"}
	case host != "" && !bare:
		return &problem.Fault{Reason: "contains text between the address and the port"}
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" && host != "" {
			return &problem.Fault{Reason: "its host has an empty label"}
		}
	}
	if !hasPort || strings.ContainsAny(port, "*[") {
		return nil
	}
	number, err := strconv.Atoi(port)
	switch {
	case err != nil || number < 1 || number > 65535 || strconv.Itoa(number) != port:
		return &problem.Fault{Reason: "port " + problem.Quote(port) + " is not between 1 and 65535"}
	case scheme == "http" && number == 80, scheme == "https" && number == 443:
		return &problem.Fault{Reason: "browsers omit the default port in an origin", Hint: "remove the :" + port}
	}
	return nil
}

// originWithCredentials refuses origins that would let anybody's page use a
// user's cookies and tokens: `*`, and patterns for names that anybody can
// register.
func originWithCredentials(origin string) *problem.Fault {
	const reason = "with `credentials: true` any site could act for a signed-in user"
	if origin == "*" {
		return &problem.Fault{Reason: reason, Hint: "list the origins, or set `credentials: false`"}
	}
	_, host, _ := strings.Cut(withoutAddress(origin), "://")
	host, _, _ = strings.Cut(host, ":")
	labels := strings.Split(host, ".")
	last := labels[len(labels)-1]
	if len(labels) == 1 {
		if last == "*" {
			return &problem.Fault{Reason: reason, Hint: "name the hosts"}
		}
		return nil
	}
	const hint = "anybody can register such a name: keep the pattern left of a domain of yours"
	if isLabelPattern(last) || isLabelPattern(labels[len(labels)-2]) {
		return &problem.Fault{Reason: reason, Hint: hint}
	}
	for i := len(labels) - 3; i >= 0; i-- {
		if !isLabelPattern(labels[i]) {
			continue
		}
		// Labels further to the left belong to the same owners.
		below := strings.Join(labels[i+1:], ".")
		switch {
		case isPublicSuffix("any." + below):
			return &problem.Fault{Reason: reason, Hint: hint}
		case isPublicSuffix(below) && !hasLiteralLetter(labels[i]):
			return &problem.Fault{Reason: reason, Hint: "anybody can have a name under " + problem.Quote(below) + ": begin it with your own, such as my-app-*"}
		}
		break
	}
	return nil
}

func isLabelPattern(label string) bool { return strings.ContainsAny(label, "*[") }

// isPublicSuffix reports whether names directly under a domain have different
// owners, according to publicsuffix.org.
func isPublicSuffix(domain string) bool {
	suffix, _ := publicsuffix.PublicSuffix(domain)
	return suffix == domain
}

// hasLiteralLetter reports whether a label pattern has a letter outside of
// classes, so that it restricts the name.
func hasLiteralLetter(label string) bool {
	for label != "" {
		literal, rest, _ := strings.Cut(label, "[")
		if strings.ContainsFunc(literal, func(r rune) bool { return 'a' <= r && r <= 'z' }) {
			return true
		}
		_, label, _ = strings.Cut(rest, "]")
	}
	return false
}
