// Package value parses single plain values that operators write: booleans,
// durations, sizes, counts, UUIDs, networks, URLs and host names. A refusal is
// a problem.Fault. The package knows neither keys nor files.
package value

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse/config/problem"
)

// ParseBool parses true or false.
func ParseBool(text string) (bool, *problem.Fault) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	f := &problem.Fault{Reason: "must be true or false"}
	switch strings.ToLower(text) {
	case "true", "yes", "on", "y":
		f.Write = "true"
	case "false", "no", "off", "n":
		f.Write = "false"
	}
	return false, f
}

// ParseDuration parses a duration that is not negative.
func ParseDuration(text string) (time.Duration, *problem.Fault) {
	const hint = "write a number and a unit: ms, s, m or h"
	value, err := time.ParseDuration(text)
	switch {
	case text == "":
		return 0, &problem.Fault{Reason: "is empty", Hint: hint}
	case err == nil && value < 0, strings.HasPrefix(text, "-"):
		return 0, &problem.Fault{Reason: "a duration cannot be negative", Hint: "0 means no bound"}
	case err == nil:
		return value, nil
	}
	if _, err := strconv.ParseUint(text, 10, 32); err == nil {
		return 0, &problem.Fault{Reason: "a duration needs a unit", Write: text + "s"}
	}
	if days, found := strings.CutSuffix(text, "d"); found {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return 0, &problem.Fault{Reason: "a duration has no unit for days", Write: strconv.FormatUint(n*24, 10) + "h"}
		}
	}
	return 0, &problem.Fault{Reason: "not a duration", Hint: hint}
}

// ParseUUID parses a UUID in its usual form.
func ParseUUID(text string) (uuid.UUID, *problem.Fault) {
	// uuid.Parse also accepts {…}, urn:uuid:… and UUIDs without hyphens. A
	// claim must equal the text, so only one form is allowed.
	const length = 36
	value, err := uuid.Parse(text)
	if err != nil || len(text) != length {
		return uuid.Nil, &problem.Fault{Reason: "not a UUID", Hint: "it looks like 9b8f7e6d-5c4b-4a39-8877-665544332222"}
	}
	return value, nil
}

// ParseNetwork parses a CIDR. A single address is a network of its own.
func ParseNetwork(text string) (netip.Prefix, *problem.Fault) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return netip.Prefix{}, &problem.Fault{Reason: "not an IP address or a CIDR", Hint: "it looks like 10.0.0.0/8 or 192.0.2.7"}
	case network.Addr().Is4In6():
		return netip.Prefix{}, &problem.Fault{Reason: "an IPv4 network in IPv6 form", Hint: "write it as an IPv4 network"}
	case network.Masked() != network:
		return netip.Prefix{}, &problem.Fault{Reason: "the address has bits set past the network's", Write: network.Masked().String()}
	}
	return network, nil
}

// ParseURL parses an absolute URL. It repeats the error of url.Parse only when
// that cannot contain a part of a password.
func ParseURL(text string) (*url.URL, *problem.Fault) {
	if !strings.Contains(text, "://") {
		if name, found := strings.CutPrefix(text, "$"); found && IsVariable(name) {
			return nil, &problem.Fault{Reason: "not an absolute URL", Write: "${" + name + "}"}
		}
		return nil, &problem.Fault{Reason: "not an absolute URL", Hint: "begin with http:// or https://", Write: addScheme(text)}
	}
	parsed, err := url.Parse(text)
	if err == nil {
		return parsed, nil
	}
	cause := err
	if urlError, ok := errors.AsType[*url.Error](err); ok {
		cause = urlError.Err
	}
	if strings.Contains(text, "@") {
		return nil, &problem.Fault{Reason: "not a valid URL", Hint: "it must not contain a user name or a password"}
	}
	return nil, &problem.Fault{Reason: "not a valid URL: " + cause.Error()}
}

// addScheme returns the URL that a bare host was probably meant to be, or "".
func addScheme(text string) string {
	for _, scheme := range []string{"http", "https"} {
		rest, found := strings.CutPrefix(text, scheme+":")
		if found {
			return scheme + "://" + strings.TrimLeft(rest, "/")
		}
	}
	if text == "" || strings.ContainsAny(text, " /?#@$") {
		return ""
	}
	return "http://" + text
}

// IsVariable reports whether a name can be that of an environment variable.
func IsVariable(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
