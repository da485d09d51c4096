// This file detects secrets by their form, or by the name of their key.

package problem

import (
	"slices"
	"strings"
)

// ShortestSecret is the least length of a value that counts as a secret because
// of its name.
const ShortestSecret = 8

// IsSecretName reports whether the name of a header or parameter suggests a
// secret.
func IsSecretName(name string) bool {
	folded := foldName(name)
	for _, word := range []string{"authorization", "api-key", "apikey", "access-key", "token", "secret", "password", "passwd", "signature"} {
		if rest, found := strings.CutSuffix(folded, word); found && (rest == "" || rest[len(rest)-1] == '-') {
			return true
		}
	}
	return false
}

// IsSecretKey reports whether an unknown key of a table suggests a secret. It
// may report too many: the only effect is that a line is not shown.
func IsSecretKey(key string) bool {
	folded := strings.ReplaceAll(foldName(key), "-", "")
	switch folded {
	case "forwardtoken", "tokens", "credentials":
		return false
	case "pass", "pwd":
		return true
	}
	return slices.ContainsFunc([]string{"secret", "password", "passwd", "passphrase", "token", "apikey", "accesskey", "privatekey", "credential"},
		func(word string) bool { return strings.Contains(folded, word) })
}

// ContainsSecretKey reports whether a line has the key of a secret with a
// value.
func ContainsSecretKey(line string) bool {
	for line != "" {
		n := runLength(line, "_-.")
		if n == 0 {
			line = line[1:]
			continue
		}
		after := strings.TrimLeft(line[n:], `"' `)
		if after != "" && (after[0] == ':' || after[0] == '=') && IsSecretKey(line[:n]) {
			return true
		}
		line = line[n:]
	}
	return false
}

// DetectSecret returns the kind of secret that a text contains by its form, or
// "". There are few rules, and they prefer to miss a secret over a false alarm:
//
//   - the PEM header of a private key;
//   - a JSON Web Token: two parts that begin with eyJ, which is {" in base64;
//   - a prefix that a vendor uses for its keys;
//   - a query parameter whose name suggests a secret, such as ?api_key=…;
//   - 40 or more hexadecimal characters, or 32 or more letters and digits that
//     change randomly between upper case, lower case and digits.
//
// URLs with a password are errors already.
func DetectSecret(text string) string {
	const shortest = 16
	switch {
	case len(text) < shortest:
		return ""
	case strings.Contains(text, "PRIVATE KEY-----"):
		return "a private key"
	case containsWebToken(text):
		return "a JSON Web Token"
	case containsSecretParameter(text):
		return "a key in a query"
	case containsRandomKey(text):
		return "a random key"
	}
	return vendorKey(text)
}

func containsWebToken(text string) bool {
	header, rest, found := strings.Cut(text, ".eyJ")
	start := strings.LastIndex(header, "eyJ")
	return found && start >= 0 && runLength(header[start:], "_-") == len(header)-start && runLength(rest, "_-") >= ShortestSecret
}

func containsSecretParameter(text string) bool {
	_, query, found := strings.Cut(text, "?")
	if !found {
		return false
	}
	for parameter := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == '#' || r == ' ' }) {
		name, value, _ := strings.Cut(parameter, "=")
		if IsSecretName(name) && len(value) >= ShortestSecret && !strings.Contains(value, "${") {
			return true
		}
	}
	return false
}

// vendorKey returns the vendor's kind of key that a text contains, or "".
// Nearly all such keys contain a digit, and hardly any word does.
func vendorKey(text string) string {
	for _, form := range []struct {
		prefix string
		length int // least length of the rest
		what   string
	}{
		{"ghp_", 30, "a GitHub token"},
		{"gho_", 30, "a GitHub token"},
		{"ghu_", 30, "a GitHub token"},
		{"ghs_", 30, "a GitHub token"},
		{"github_pat_", 30, "a GitHub token"},
		{"glpat-", 16, "a GitLab token"},
		{"xoxb-", 16, "a Slack token"},
		{"xoxp-", 16, "a Slack token"},
		{"AKIA", 16, "an AWS key"},
		{"AIza", 30, "a Google key"},
		{"sk_live_", 16, "a Stripe key"},
		{"rk_live_", 16, "a Stripe key"},
		{"sk-", 32, "an API key"},
		{"npm_", 30, "an npm token"},
		{"hvs.", 20, "a Vault token"},
		{"SG.", 30, "a SendGrid key"},
		{"Bearer ", 16, "a token"},
		{"Basic ", 12, "a password"},
	} {
		before, after, found := strings.Cut(text, form.prefix)
		if !found || before != "" && byteClass(before[len(before)-1]) != 0 {
			continue
		}
		if n := runLength(after, "_-.+/="); n >= form.length && strings.ContainsAny(after[:n], "0123456789") {
			return form.what
		}
	}
	return ""
}

// runLength returns the length of the leading run of letters, digits and the
// other characters.
func runLength(text, others string) int {
	n := 0
	for n < len(text) && (byteClass(text[n]) != 0 || strings.IndexByte(others, text[n]) >= 0) {
		n++
	}
	return n
}

// containsRandomKey reports whether a text contains a long random run of
// characters. Paths and URLs may contain long runs with slashes between them.
func containsRandomKey(text string) bool {
	others := "+_-/"
	if strings.HasPrefix(text, "/") || strings.ContainsAny(text, ": ") {
		others = "+_-"
	}
	for text != "" {
		n := runLength(text, others)
		if isRandom(text[:n]) {
			return true
		}
		text = text[min(n+1, len(text)):]
	}
	return false
}

// isRandom reports whether a run of characters looks random. In random runs,
// the kind of character changes at more than every second place. In CamelCase
// names it hardly ever changes.
func isRandom(run string) bool {
	const shortest, shortestHex, everyNth = 32, 40, 3
	if len(run) < shortest {
		return false
	}
	kinds, changes, before := map[int]bool{}, 0, 0
	for _, c := range []byte(run) {
		kind := byteClass(c)
		if kind != 0 && before != 0 && kind != before {
			changes++
		}
		kinds[kind] = true
		before = kind
	}
	if kinds[1] && kinds[2] && kinds[3] {
		return changes*everyNth >= len(run)
	}
	hexadecimal := strings.Trim(run, "0123456789abcdefABCDEF") == ""
	return hexadecimal && len(run) >= shortestHex && kinds[1] && (kinds[2] || kinds[3])
}

// foldName returns a name in lower case, with a hyphen in place of every
// character that is not a letter or digit.
func foldName(name string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && byteClass(byte(r)) != 0 {
			return r
		}
		return '-'
	}, strings.ToLower(name))
}

// byteClass returns 1 for digits, 2 for lower case letters, 3 for upper case letters
// and 0 for the rest.
func byteClass(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return 1
	case 'a' <= c && c <= 'z':
		return 2
	case 'A' <= c && c <= 'Z':
		return 3
	}
	return 0
}
