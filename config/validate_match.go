// This file has the rules for a route's name, prefix and methods.

package config

import (
	"net/http"
	"slices"
	"strings"

	"gatehouse/config/problem"
)

// MaxName bounds the name of a route, in characters, because the name is a
// metric label.
const MaxName = 64

// routeName checks the name of a route.
func routeName(name string) *problem.Fault {
	const hint = "letters, digits, `.`, `_` and `-`, beginning with a letter or a digit"
	switch {
	case len(name) > MaxName:
		return &problem.Fault{Reason: "longer than 64 characters", Hint: "it is a label in metrics and logs"}
	case strings.HasPrefix(name, "_"):
		return &problem.Fault{Reason: "names with a leading `_` are reserved", Write: strings.TrimLeft(name, "_")}
	case strings.Trim(name, "0123456789") == "":
		return &problem.Fault{Reason: "a name needs more than digits", Hint: "in `tests:` it would look like a status"}
	}
	for i, c := range []byte(name) {
		if !isAlphanumeric(c) && (i == 0 || !strings.ContainsRune("._-", rune(c))) {
			return &problem.Fault{Reason: "not a name", Hint: hint}
		}
	}
	return nil
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// prefixRule checks a path prefix. Requests are matched in canonical form, byte
// for byte, so a prefix that is not canonical would never match.
func prefixRule(prefix string) *problem.Fault {
	if !strings.HasPrefix(prefix, "/") {
		return &problem.Fault{Reason: "must begin with a slash", Write: "/" + prefix}
	}
	if f := prefixCharacters(prefix); f != nil {
		return f
	}
	if strings.Contains(prefix, "//") {
		return &problem.Fault{Reason: "contains an empty segment (`//`)", Write: collapseSlashes(prefix)}
	}
	for segment := range strings.SplitSeq(prefix[1:], "/") {
		if segment == "." || segment == ".." {
			return &problem.Fault{Reason: "contains the dot segment " + problem.Quote(segment), Hint: "write the path it leads to"}
		}
	}
	if prefix != "/" && strings.HasSuffix(prefix, "/") {
		return &problem.Fault{
			Reason: "must not end with a slash",
			Hint:   "a prefix matches itself and everything below it",
			Write:  strings.TrimRight(prefix, "/"),
		}
	}
	return nil
}

func collapseSlashes(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return path
}

// prefixCharacters checks a prefix character by character (RFC 3986 section 3.3).
func prefixCharacters(prefix string) *problem.Fault {
	for i := 0; i < len(prefix); i++ {
		c := prefix[i]
		switch c {
		case '%':
			if f := prefixEscape(prefix[i:]); f != nil {
				return f
			}
		case '*', '{', '}':
			return &problem.Fault{Reason: "contains " + problem.Quote(string(c)), Hint: "a prefix is literal, and matches everything below it"}
		case '?', '#':
			return &problem.Fault{Reason: "contains " + problem.Quote(string(c)), Hint: "a prefix is a path, without query and fragment"}
		default:
			if f := pathByte(c, "/-._~!$&'()+,=:@"); f != nil {
				return f
			}
		}
	}
	return nil
}

// pathByte checks a byte of a path that is no part of an escape. Beside letters and digits, a
// path has the allowed characters.
func pathByte(c byte, allowed string) *problem.Fault {
	switch {
	case c == '\\' || c == ';':
		return &problem.Fault{Reason: "contains " + problem.Quote(string(c)), Hint: "backends disagree on what it means in a path"}
	case c >= 0x80:
		return &problem.Fault{Reason: "contains a character outside ASCII", Hint: "percent-encode it as UTF-8, such as %C3%A9 for é"}
	case c < ' ' || c == 0x7f:
		return &problem.Fault{Reason: "contains a control character"}
	case !isAlphanumeric(c) && !strings.ContainsRune(allowed, rune(c)):
		return &problem.Fault{Reason: "contains " + problem.Quote(string(c)), Hint: "percent-encode it"}
	}
	return nil
}

// prefixEscape checks one percent-escape, at the beginning of text.
func prefixEscape(text string) *problem.Fault {
	if len(text) < 3 || !isHex(text[1]) || !isHex(text[2]) {
		return &problem.Fault{Reason: "contains a broken percent-escape", Hint: "a % is written %25"}
	}
	escape := text[:3]
	c := unhex(text[1])<<4 | unhex(text[2])
	switch {
	case isAlphanumeric(c) || strings.ContainsRune("-._~", rune(c)):
		return &problem.Fault{Reason: "contains " + problem.Quote(escape) + ", an escape that is not needed", Hint: "write " + problem.Quote(string(rune(c)))}
	case c == '%' && len(text) >= 5 && isHex(text[3]) && isHex(text[4]):
		return &problem.Fault{Reason: "contains " + problem.Quote(text[:5]) + ", which is encoded twice", Hint: "encode it once"}
	case c == '/' || c == '\\' || c < ' ' || c == 0x7f || c == 0xc0 || c == 0xc1:
		return &problem.Fault{Reason: "contains " + problem.Quote(escape), Hint: "requests with it are refused, so it would never match"}
	case strings.ToUpper(escape) != escape:
		return &problem.Fault{Reason: "contains " + problem.Quote(escape), Hint: "write " + problem.Quote(strings.ToUpper(escape))}
	}
	return nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	default:
		return c - 'A' + 10
	}
}

// MethodNames returns the usual methods that a route may match.
func MethodNames() []string {
	return []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions,
	}
}

// methodRule checks a method: one of RFC 9110 section 9 and RFC 5789, or an
// extension that is not a typing error of one of these.
func methodRule(method string) *problem.Fault {
	known := append(MethodNames(), http.MethodConnect, http.MethodTrace)
	switch {
	case method == "*":
		return &problem.Fault{Reason: "not a method", Hint: "omit `methods` to match every method"}
	case !isToken(method):
		return &problem.Fault{Reason: "not a method", Hint: "such as GET or POST"}
	case method != strings.ToUpper(method):
		return &problem.Fault{Reason: "methods are upper case", Write: strings.ToUpper(method)}
	case method == http.MethodConnect:
		return &problem.Fault{Reason: "CONNECT asks for a tunnel, which a reverse proxy does not offer"}
	case method == http.MethodTrace, method == "TRACK":
		return &problem.Fault{Reason: method + " makes a backend send back tokens and identity headers; the gateway answers it with 405"}
	case slices.Contains(known, method):
		return nil
	}
	if near := problem.Nearest(method, known); near != "" && problem.EditDistance(method, near) == 1 {
		return &problem.Fault{Reason: "unknown method", Hint: problem.DidYouMean(method, known)}
	}
	return nil
}
