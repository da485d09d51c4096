// Rules for the cross-origin policy.

package config

import (
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"
)

func (v *validator) cors(s section) {
	if v.config.CORS == nil {
		return
	}
	credentials := v.config.CORS.Credentials
	s.checkEach("origins", v.config.CORS.Origins, func(origin string) *fault {
		if f := originRule(origin); f != nil || !credentials {
			return f
		}
		return originWithCredentials(origin)
	})
	if s.node != nil && len(v.config.CORS.Origins) == 0 && (s.valid("origins") != nil || !s.given("origins")) {
		s.fail(s.node, "cors has no origins", "list who may call, or leave `cors` out")
	}
	s.checkEach("expose", v.config.CORS.Expose, func(name string) *fault {
		if name == "*" && credentials {
			return &fault{reason: "browsers take `*` literally when there are credentials", hint: "list the headers"}
		}
		return headerName(name)
	})
}

// originRule is the rule for an entry of `origins`, without regard to credentials.
func originRule(origin string) *fault {
	if origin == "*" {
		return nil
	}
	scheme, rest, found := strings.Cut(origin, "://")
	switch {
	case origin == "null":
		return &fault{reason: "null is the origin of any sandboxed page", hint: "name the origin itself"}
	case len(origin) > maxOrigin:
		return &fault{reason: "too long for an origin"}
	case !found:
		return &fault{reason: "not an origin", hint: "scheme://host, such as https://app.example.com"}
	}
	return firstFault(originScheme(scheme), originRest(rest), originClasses(origin), originAddress(origin))
}

func originScheme(scheme string) *fault {
	const characters = "abcdefghijklmnopqrstuvwxyz0123456789+.-"
	switch {
	case scheme == "http" || scheme == "https":
		return nil
	case strings.Contains(scheme, "*") || strings.Contains(scheme, "["):
		return &fault{reason: "the scheme cannot be a pattern", hint: "list the http and the https origin"}
	case scheme == "" || strings.Trim(scheme, characters) != "":
		return &fault{reason: "not an origin", hint: "scheme://host in lower case, such as https://app.example.com"}
	}
	if hint := didYouMean(scheme, []string{"http", "https"}); hint != "" {
		return &fault{reason: "unknown scheme " + quote(scheme), hint: hint}
	}
	// Browser extensions and desktop shells have schemes of their own.
	return nil
}

// originRest checks what follows the scheme: a host, and maybe a port.
func originRest(rest string) *fault {
	host, path, hasPath := strings.Cut(rest, "/")
	switch {
	case rest == "":
		return &fault{reason: "has no host"}
	case hasPath && path == "":
		return &fault{reason: "an origin has no slash at its end", hint: "remove the slash"}
	case hasPath:
		return &fault{reason: "an origin has no path", hint: "scheme://host, and the port if it is not the usual one"}
	case strings.Contains(host, "@"):
		return &fault{reason: "an origin has no user name"}
	case strings.ToLower(host) != host:
		return &fault{reason: "browsers send the host in lower case", hint: "write it in lower case"}
	case strings.Contains(host, "**"):
		return &fault{reason: "holds `**`", hint: "one `*` stands for one or more characters of a label"}
	}
	for _, c := range host {
		if c >= 0x80 {
			return &fault{reason: "holds a character outside ASCII", hint: "write the host in Punycode (xn--…)"}
		}
		if !isAlphanumeric(byte(c)) && !strings.ContainsRune(".-_:*[]", c) {
			return &fault{reason: "an origin cannot hold " + quote(string(c))}
		}
	}
	return nil
}

func originClasses(origin string) *fault {
	if !isOriginPattern(origin) {
		if strings.ContainsAny(withoutAddress(origin), "[]") {
			return &fault{reason: "a `]` has no `[`"}
		}
		return nil
	}
	if _, err := originExpression(origin); err != nil {
		return &fault{reason: err.Error(), hint: "such as [0-9] or [abc]"}
	}
	return nil
}

// originAddress checks host and port apart, as far as they are no patterns.
func originAddress(origin string) *fault {
	scheme, rest, _ := strings.Cut(withoutAddress(origin), "://")
	host, port, hasPort := strings.Cut(rest, ":")
	switch bare := withoutAddress(origin) == origin; {
	case host == "" && bare:
		return &fault{reason: "has no host"}
	case host != "" && !bare:
		return &fault{reason: "holds something between the address and the port"}
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" && host != "" {
			return &fault{reason: "its host has an empty label"}
		}
	}
	if !hasPort || strings.ContainsAny(port, "*[") {
		return nil
	}
	number, err := strconv.Atoi(port)
	switch {
	case err != nil || number < 1 || number > 65535 || strconv.Itoa(number) != port:
		return &fault{reason: "port " + quote(port) + " is not between 1 and 65535"}
	case scheme == "http" && number == 80, scheme == "https" && number == 443:
		return &fault{reason: "browsers leave the usual port out of an origin", hint: "remove the :" + port}
	}
	return nil
}

// originWithCredentials refuses what would let anybody's page act with a user's
// cookies and tokens: `*`, and patterns for names that anybody can register.
func originWithCredentials(origin string) *fault {
	const reason = "with `credentials: true` any site could act for a signed-in user"
	if origin == "*" {
		return &fault{reason: reason, hint: "list the origins, or set `credentials: false`"}
	}
	_, host, _ := strings.Cut(withoutAddress(origin), "://")
	host, _, _ = strings.Cut(host, ":")
	labels := strings.Split(host, ".")
	last := labels[len(labels)-1]
	if len(labels) == 1 {
		if last == "*" {
			return &fault{reason: reason, hint: "name the hosts"}
		}
		return nil
	}
	const hint = "anybody can register such a name: keep the pattern left of a domain of yours"
	if isLabelPattern(last) || isLabelPattern(labels[len(labels)-2]) {
		return &fault{reason: reason, hint: hint}
	}
	for i := len(labels) - 3; i >= 0; i-- {
		if !isLabelPattern(labels[i]) {
			continue
		}
		// What is further to the left is under names of the same owners.
		below := strings.Join(labels[i+1:], ".")
		switch {
		case isPublicSuffix("any." + below):
			return &fault{reason: reason, hint: hint}
		case isPublicSuffix(below) && !hasLiteralLetter(labels[i]):
			return &fault{reason: reason, hint: "anybody can have a name under " + quote(below) + ": begin it with your own, such as my-app-*"}
		}
		break
	}
	return nil
}

func isLabelPattern(label string) bool { return strings.ContainsAny(label, "*[") }

// isPublicSuffix says whether names directly under a domain have owners of their
// own, as publicsuffix.org lists them.
func isPublicSuffix(domain string) bool {
	suffix, _ := publicsuffix.PublicSuffix(domain)
	return suffix == domain
}

// hasLiteralLetter says whether a pattern for a label has a letter outside of
// classes: a name, and not only a form.
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
