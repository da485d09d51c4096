package explain

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"gatehouse/auth"
	"gatehouse/config"
	"gatehouse/config/problem"
	"gatehouse/internal/httperr"
	"gatehouse/proxy"
)

// maxRedirects is how many redirects a client follows; browsers stop there.
const maxRedirects = 20

// everybody is a Decider that allows every caller: a loop is a problem if any caller can
// get into it.
type everybody struct{}

func (everybody) Decide(context.Context, http.Header, auth.Rule) (*auth.Identity, *httperr.Error) {
	return &auth.Identity{}, nil
}

// DecideBasic implements auth.BasicCaller.
func (everybody) DecideBasic(func(string) *httperr.Error) *httperr.Error { return nil }

var _ auth.BasicCaller = everybody{}

// Loops returns a problem for every redirect that leads into a loop within the table. It
// follows a request at the prefix of each redirect, and one below it. It follows a redirect
// to a URL only if the host is in the table. Such a loop is a warning, because another
// server may answer that URL.
func Loops(table *proxy.Table) problem.List {
	hosts := namedHosts(table)
	var problems problem.List
	for _, r := range routesOf(table) {
		if r.Redirect == nil {
			continue
		}
		if chain, sure := findLoop(table, r, hosts); len(chain) > 0 {
			problems = append(problems, loopProblem(r, chain, sure))
		}
	}
	return problems
}

func loopProblem(r *config.Route, chain []string, sure bool) problem.Problem {
	const most = 4
	if len(chain) > most {
		chain = append(slices.Clone(chain[:most]), "…")
	}
	p := problem.Problem{
		Position: r.Position,
		Message:  fmt.Sprintf("route %q: redirect leads into a loop: %s", r.Name, strings.Join(chain, " → ")),
		Hint:     "let it lead to a path that another route takes",
	}
	if !sure {
		p.Severity, p.Hint = problem.SeverityWarning, "it is none if another server answers that URL"
	}
	return p
}

// hostNames are the entries of `hosts` of all routes of a table.
type hostNames map[string]bool

// namedHosts returns the hosts that routes of a table name.
func namedHosts(table *proxy.Table) hostNames {
	names := hostNames{}
	for _, r := range routesOf(table) {
		for _, host := range r.Hosts {
			names[host] = true
		}
	}
	return names
}

// has reports whether a route names a host, by itself or by one of its parents.
func (names hostNames) has(host string) bool {
	if names[host] {
		return true
	}
	for _, parent, found := strings.Cut(host, "."); found; _, parent, found = strings.Cut(parent, ".") {
		if names["*."+parent] {
			return true
		}
	}
	return false
}

// sampleHost returns a host that an entry of `hosts` matches.
func sampleHost(entry string) string {
	if below, wild := strings.CutPrefix(entry, "*."); wild {
		return "www." + below
	}
	return entry
}

// findLoop returns the addresses of the first loop into which a route leads, or nothing.
// sure reports whether they are all paths.
func findLoop(table *proxy.Table, r *config.Route, hosts hostNames) (chain []string, sure bool) {
	method := sampleMethod(r)
	for _, name := range sampleHosts(r) {
		for _, path := range []string{r.Prefix, strings.TrimSuffix(r.Prefix, "/") + "/rest"} {
			if chain, sure = follow(table, r, sample{method: method, host: name, path: path}, hosts); len(chain) > 0 {
				return chain, sure
			}
		}
	}
	return nil, false
}

// sampleHosts returns hosts of requests that match a route.
func sampleHosts(r *config.Route) []string {
	if len(r.Hosts) == 0 {
		return []string{"host.invalid"} // no route names it
	}
	names := make([]string, len(r.Hosts))
	for i, host := range r.Hosts {
		names[i] = sampleHost(host)
	}
	return names
}

// sampleMethod returns a method of requests that match a route.
func sampleMethod(r *config.Route) string {
	if len(r.Methods) == 0 {
		return http.MethodGet
	}
	return r.Methods[0]
}

// sample is the request of a client that follows redirects.
type sample struct{ method, host, path string }

// follow returns the addresses to which a request is redirected, if the redirects never
// end.
func follow(table *proxy.Table, first *config.Route, s sample, hosts hostNames) (chain []string, sure bool) {
	header := http.Header{}
	for name, value := range first.Headers {
		header.Set(name, value)
	}
	chain, sure = []string{s.path}, true
	seen := map[sample]bool{s: true}
	for range maxRedirects {
		d := s.decide(table, header, allowedPeer(first))
		if d.Location == "" || len(chain) == 1 && d.Route.Config != first {
			return nil, false
		}
		next, err := url.Parse(d.Location)
		if err != nil {
			return nil, false
		}
		if next.Host != "" {
			if !hosts.has(strings.ToLower(next.Hostname())) {
				return nil, false
			}
			s.host, sure = next.Hostname(), false
		}
		s.path = next.RequestURI()
		if d.Answered == http.StatusSeeOther {
			s.method = http.MethodGet
		}
		chain = append(chain, d.Location)
		if seen[s] {
			return chain, sure
		}
		seen[s] = true
	}
	return chain, sure
}

// allowedPeer returns the address of a connection that a route allows, if there is one.
func allowedPeer(r *config.Route) string {
	if r.ChecksAddresses() {
		for _, some := range r.AllowedAddresses().Ranges() {
			return netip.AddrPortFrom(some.From(), 0).String()
		}
	}
	return "127.0.0.1:0"
}

func (s sample) decide(table *proxy.Table, header http.Header, peer string) proxy.Decision {
	host := s.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return table.Decide(&http.Request{
		Method: s.method, RequestURI: s.path, URL: &url.URL{Path: s.path}, Host: host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: peer, Body: http.NoBody,
	}, everybody{})
}
