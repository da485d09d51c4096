// Validating purely: every rule about the table that its types cannot express.
// Nothing is changed here, and nothing outside the file is asked.

package config

import (
	"iter"
	"net/netip"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
)

// validator checks a decoded table, pointing at the nodes it came from.
type validator struct {
	*report
	config       *Config
	defaultRoute Route // what the file's `defaults:` make of a route
	root         *yaml.Node
}

// section is one mapping of the file, and how messages call it.
type section struct {
	*report
	node   *yaml.Node // nil when the file leaves it out
	within string     // such as `route "query": `
}

// validate reports everything that is wrong with a table beyond its types.
func validate(r *report, root *yaml.Node, c *Config, start Route) {
	v := &validator{report: r, config: c, defaultRoute: start, root: root}
	file := section{r, root, ""}
	v.name(file)
	v.identity(file.child("identity"))
	v.users(file.child("users"))
	v.issuers()
	v.cors(file.child("cors"))
	v.trustedProxies()
	v.responseHeaders(file)
	v.defaults(file.child("defaults"))
	v.routes(file)
	v.tests()
	if !r.problems.HasErrors() && r.dropped == 0 {
		warn(v)
	}
}

// child returns the section under a key; one with a problem was not decoded.
func (s section) child(key string) section {
	return section{s.report, s.valid(key), s.within + key + ": "}
}

// decodedEntries goes through those entries of a list that were decoded into as many
// values. What decoding refused, a tagged list or entry, has nodes and no value.
func (s section) decodedEntries(key string, values int) iter.Seq2[int, *yaml.Node] {
	return func(yield func(int, *yaml.Node) bool) {
		for i, n := range entries(s.valid(key)) {
			if i < values && n.Kind == yaml.MappingNode && !s.failed[n] && !yield(i, n) {
				return
			}
		}
	}
}

// entry returns the section of one entry of a list.
func (s section) entry(key string, index int, n *yaml.Node) section {
	return section{s.report, n, s.within + label(key, index, n) + ": "}
}

// given says whether the file has the key at all, whatever its value.
func (s section) given(key string) bool { return keyOf(s.node, key) != nil }

// valid returns the value of a key, or nil when it is not there or has a problem.
func (s section) valid(key string) *yaml.Node {
	n := child(s.node, key)
	if n == nil || s.failed[n] {
		return nil
	}
	return n
}

// check rejects the plain value of a key when a rule finds fault with it.
func (s section) check(key, value string, rule func(string) *problem.Fault) {
	n := s.valid(key)
	if n == nil {
		return
	}
	if f := rule(value); f != nil {
		s.reject(place{s.within, key}, n, f)
	}
}

// checkEach rejects those entries of a list that a rule finds fault with, and
// those that are there twice.
func (s section) checkEach(key string, values []string, rule func(string) *problem.Fault) {
	list := s.valid(key)
	first := map[string]int{}
	for i, n := range entries(list) {
		if i >= len(values) || s.failed[n] {
			continue
		}
		f := rule(values[i])
		if line, repeated := first[values[i]]; repeated {
			f = &problem.Fault{Reason: "is listed twice", Hint: "first listed at line " + strconv.Itoa(line)}
		}
		first[values[i]] = n.Line
		if f != nil {
			s.reject(place{s.within, key}, n, f)
		}
	}
}

// forbid rejects a key as a whole.
func (s section) forbid(key, reason, hint string) {
	if n := keyOf(s.node, key); n != nil {
		s.fail(n, s.within+key+" "+reason, hint)
	}
}

// require reports a key that is not there or empty.
func (s section) require(key, value, hint string) {
	if !s.given(key) {
		s.fail(s.node, s.within+key+" is missing", hint)
		return
	}
	if n := s.valid(key); n != nil && value == "" {
		s.fail(n, s.within+key+" is empty", hint)
	}
}

func (v *validator) name(file section) {
	file.check("name", v.config.Name, func(name string) *problem.Fault {
		if strings.TrimSpace(name) == "" {
			return &problem.Fault{Reason: "is empty", Hint: "leave it out to be called Gatehouse"}
		}
		return nil
	})
}

func (v *validator) users(users section) {
	if v.config.Users.Off {
		return
	}
	users.check("join", string(v.config.Users.Join), func(join string) *problem.Fault {
		return problem.OneOf("value", join, string(JoinListed), string(JoinAny))
	})
}

func (v *validator) trustedProxies() {
	for i, n := range entries(child(v.root, "trusted_proxies")) {
		if i >= len(v.config.TrustedProxies) || v.failed[n] {
			continue
		}
		if coversEveryAddress(v.config.TrustedProxies[i]) {
			v.add(problem.SeverityWarning, n.Line, n.Column,
				"trusted_proxies "+problem.Quote(n.Value)+": anybody may then say where a request comes from",
				"list the networks of your own proxies")
		}
	}
}

func coversEveryAddress(network netip.Prefix) bool { return network.IsValid() && network.Bits() == 0 }
