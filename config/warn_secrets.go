// Secrets that somebody wrote into the table, where everybody who may read it,
// or its history, finds them. They are never shown, not even by a problem beside
// them.

package config

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// findSecrets remembers the values that look like secrets, and keeps their lines
// out of every message. It comes before decoding, whose problems would show
// them. of is the key that a mapping stands under, and key that of the value.
func (r *report) findSecrets(n *yaml.Node, of, key string) {
	switch n.Kind {
	case yaml.MappingNode:
		if of == "identity" && key == "headers" {
			key = "claims" // the values are names of claims, not what headers hold
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			r.findSecrets(n.Content[i], "", "")
			r.findSecrets(n.Content[i+1], key, n.Content[i].Value)
			if isSecretKey(n.Content[i].Value) && key != "claims" {
				r.hideTree(n.Content[i])
				r.hideTree(n.Content[i+1])
			}
		}
	case yaml.SequenceNode:
		for _, entry := range n.Content {
			r.findSecrets(entry, of, key)
		}
	case yaml.ScalarNode:
		r.hideSecretLines(n)
		what := detectSecret(n.Value)
		if what == "" && of == "headers" && isSecretName(key) && len(literalText(n.Value)) >= shortestSecret {
			what = "the secret that header " + quote(key) + " has to hold"
		}
		if what != "" {
			r.secrets[n] = what
			r.hideLines(n)
		}
	}
}

// warnSecrets reports what findSecrets found.
func (r *report) warnSecrets() {
	inOrder := func(a, b *yaml.Node) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) }
	for _, n := range slices.SortedFunc(maps.Keys(r.secrets), inOrder) {
		r.warnAt(n, "this looks like "+r.secrets[n]+", and whoever may read the file can use it",
			"write ${NAME} and put it into the environment; then replace it, since the file's history has it")
	}
}

// shortestSecret is the length below which nothing is taken for a secret by the
// name of what holds it.
const shortestSecret = 8

// literalText returns what of a value stands in the file: the defaults of references,
// and nothing of the environment.
func literalText(value string) string {
	expanded, _, f := expand(value, func(string) (string, bool) { return "", true })
	if f != nil {
		return value
	}
	return expanded
}

// isSecretName says whether the name of a header or parameter says that it holds
// a secret.
func isSecretName(name string) bool {
	folded := foldHeader(name)
	for _, word := range []string{"authorization", "api-key", "apikey", "access-key", "token", "secret", "password", "passwd", "signature"} {
		if rest, found := strings.CutSuffix(folded, word); found && (rest == "" || rest[len(rest)-1] == '-') {
			return true
		}
	}
	return false
}

// hideTree keeps every line of a node out of messages.
func (r *report) hideTree(n *yaml.Node) {
	if r.hiddenNodes[n] {
		return
	}
	r.hiddenNodes[n] = true
	r.hideLines(n)
	for _, child := range n.Content {
		r.hideTree(child)
	}
}

// isSecretKey says whether a key that is none of a table's says that it is for a
// secret. Here too much is better than too little: only a line is not shown.
func isSecretKey(key string) bool {
	folded := strings.ReplaceAll(foldHeader(key), "-", "")
	switch folded {
	case "forwardtoken", "tokens", "credentials":
		return false
	case "pass", "pwd":
		return true
	}
	return slices.ContainsFunc([]string{"secret", "password", "passwd", "passphrase", "token", "apikey", "accesskey", "privatekey", "credential"},
		func(word string) bool { return strings.Contains(folded, word) })
}

// containsSecretKey looks in a line for the key of a secret with something behind it.
func containsSecretKey(line string) bool {
	for line != "" {
		n := runLength(line, "_-.")
		if n == 0 {
			line = line[1:]
			continue
		}
		after := strings.TrimLeft(line[n:], `"' `)
		if after != "" && (after[0] == ':' || after[0] == '=') && isSecretKey(line[:n]) {
			return true
		}
		line = line[n:]
	}
	return false
}

// nearSecret says whether a line that is no YAML, the line before or after it or
// one that it is indented under has the key of a secret.
func (r *report) nearSecret(line int) bool {
	r.source(line) // cuts the lines
	indent := maxSource
	for i := min(line+1, len(r.lines)); i >= 1 && indent > 0; i-- {
		text := r.lines[i-1]
		depth := len(text) - len(strings.TrimLeft(text, " \t-"))
		near := i >= line-1
		if (near || depth < indent) && len(text) <= maxSource && containsSecretKey(text) {
			return true
		}
		if i <= line && strings.TrimSpace(text) != "" {
			indent = min(indent, depth)
			if i == line && indent == 0 {
				indent = 1 // the line before it is looked at all the same
			}
		}
	}
	return false
}

// detectSecret says what secret a text holds by its form, or "". The rules
// are few, and rather miss a secret than take something else for one:
//
//   - the PEM header of a private key;
//   - a JSON Web Token: two parts that begin with eyJ, which is {" in base64;
//   - a prefix by which a vendor makes its keys recognisable;
//   - a parameter of a query whose name says so, such as ?api_key=…;
//   - 40 or more characters of hexadecimal, or 32 or more of letters and digits
//     that change between upper case, lower case and digits as chance has it.
//
// URLs with a password are errors already.
func detectSecret(text string) string {
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
	return found && start >= 0 && runLength(header[start:], "_-") == len(header)-start && runLength(rest, "_-") >= shortestSecret
}

func containsSecretParameter(text string) bool {
	_, query, found := strings.Cut(text, "?")
	if !found {
		return false
	}
	for parameter := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == '#' || r == ' ' }) {
		name, value, _ := strings.Cut(parameter, "=")
		if isSecretName(name) && len(value) >= shortestSecret && !strings.Contains(value, "${") {
			return true
		}
	}
	return false
}

// vendorKey looks for keys that say themselves what they are. Nearly all of
// them hold a digit, and hardly any word does.
func vendorKey(text string) string {
	for _, form := range []struct {
		prefix string
		length int // of what follows, at least
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
		if !found || before != "" && isAlphanumeric(before[len(before)-1]) {
			continue
		}
		if n := runLength(after, "_-.+/="); n >= form.length && strings.ContainsAny(after[:n], "0123456789") {
			return form.what
		}
	}
	return ""
}

// runLength counts the letters, digits and some other characters that a text
// begins with.
func runLength(text, others string) int {
	n := 0
	for n < len(text) && (isAlphanumeric(text[n]) || strings.IndexByte(others, text[n]) >= 0) {
		n++
	}
	return n
}

// containsRandomKey looks for long runs of characters that nobody typed. What is a path
// or a URL may hold slashes between them.
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

// isRandom judges a run by how often its characters change kind: in random ones
// more than every second does, in CamelCase names with a number hardly any.
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
	hexadecimal := !slices.ContainsFunc([]byte(run), func(c byte) bool { return !isHex(c) })
	return hexadecimal && len(run) >= shortestHex && kinds[1] && (kinds[2] || kinds[3])
}
