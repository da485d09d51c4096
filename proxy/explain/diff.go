package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gatehouse/config"
	"gatehouse/proxy"
	"gatehouse/proxy/route"
)

// Diff is the difference between the meaning of two tables. It ignores order, comments and
// formatting.
type Diff struct {
	// Weaker are the changes that allow more than before. Read them first.
	Weaker  []string `json:"weaker"`
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
	Changed []string `json:"changed"`
}

// Empty reports whether nothing changes.
func (d Diff) Empty() bool {
	return len(d.Weaker)+len(d.Added)+len(d.Removed)+len(d.Changed) == 0
}

// Compare returns what changes when the table after replaces the table before.
func Compare(before, after *proxy.Table) Diff {
	d := Diff{Weaker: []string{}, Added: []string{}, Removed: []string{}, Changed: []string{}}
	d.routes(before, after)
	d.probe(before, after)
	twins := twinsOf(before, after)
	for _, r := range routesOf(after) {
		if was := twins[r]; was != nil {
			d.weakened(was, r)
			d.loosenedRoute(before.Config(), after.Config(), was, r)
			d.rewrites(before, after, was, r)
			d.loosenedCORS(before.Config(), after.Config(), was, r)
			d.contents(before, after, was, r)
		}
	}
	d.backends(before, after, twins)
	d.namedBackends(before, after)
	d.owners(before.Config(), after.Config())
	d.global(before.Config(), after.Config())
	pages(d.report, before, after)
	return d
}

// routes compares the routes by name.
func (d *Diff) routes(before, after *proxy.Table) {
	old := routesByName(before)
	for _, r := range routesOf(after) {
		was := old[r.Name]
		delete(old, r.Name)
		if was == nil {
			d.Added = append(d.Added, "route "+describe(r))
			continue
		}
		for _, change := range changes(was, r) {
			d.Changed = append(d.Changed, fmt.Sprintf("route %s: %s", r.Name, change))
		}
	}
	for _, r := range routesOf(before) {
		if old[r.Name] != nil {
			d.Removed = append(d.Removed, "route "+describe(r))
		}
	}
}

// routesOf returns the routes of a table, in the order of its file.
func routesOf(t *proxy.Table) []*config.Route {
	routes := t.Config().Routes
	list := make([]*config.Route, len(routes))
	for i := range routes {
		list[i] = &routes[i]
	}
	return list
}

func routesByName(t *proxy.Table) map[string]*config.Route {
	routes := make(map[string]*config.Route, len(t.Config().Routes))
	for _, r := range routesOf(t) {
		routes[r.Name] = r
	}
	return routes
}

// twinsOf returns for each route of after the route of before that it replaces: that of the
// same name, or else one that matched the same requests and is gone.
func twinsOf(before, after *proxy.Table) map[*config.Route]*config.Route {
	old, names := routesByName(before), routesByName(after)
	gone := map[string]*config.Route{}
	for _, r := range routesOf(before) {
		if names[r.Name] == nil {
			gone[matchKey(r)] = r
		}
	}
	twins := map[*config.Route]*config.Route{}
	for _, r := range routesOf(after) {
		if was := cmp.Or(old[r.Name], gone[matchKey(r)]); was != nil {
			twins[r] = was
		}
	}
	return twins
}

// matchKey returns a text that is equal for two routes that match the same requests.
func matchKey(r *config.Route) string {
	return fmt.Sprint(r.Prefix, slices.Sorted(slices.Values(r.Hosts)), slices.Sorted(slices.Values(route.WithHead(r.Methods))), r.Headers)
}

// describe returns a route as one line of text.
func describe(r *config.Route) string {
	if r.Handler != "" {
		return fmt.Sprintf("%s: %s → handler %s", r.Name, r.Prefix, r.Handler)
	}
	if r.Redirect != nil {
		return fmt.Sprintf("%s: %s → redirect %s (%s)", r.Name, r.Prefix, redirectText(r.Redirect), r.Auth)
	}
	if r.Respond != nil {
		return fmt.Sprintf("%s: %s → answer %s (%s)", r.Name, r.Prefix, r.Respond.Status, r.Auth)
	}
	return fmt.Sprintf("%s: %s → %s (%s)", r.Name, r.Prefix, r.Backend.String(), r.Auth)
}

// changes lists the differences between two versions of a route, by key.
func changes(before, after *config.Route) []string {
	var list []string
	old, now := routeFields(before), routeFields(after)
	for i := range old {
		if old[i].value != now[i].value {
			list = append(list, fmt.Sprintf("%s %s → %s", old[i].key, orNone(old[i].value), orNone(now[i].value)))
		}
	}
	return list
}

type fieldValue struct{ key, value string }

// routeFields returns the keys of a route, with their values as text that can be compared.
func routeFields(r *config.Route) []fieldValue {
	tls := ""
	if r.TLS != nil {
		path := func(file string) string { return pathText(r.Folder, r.TLS.Folder, file) }
		tls = fmt.Sprintf("ca %q cert %q key %q server_name %q", path(r.TLS.CA), path(r.TLS.Cert), path(r.TLS.Key), r.TLS.ServerName)
	}
	return []fieldValue{
		{"prefix", r.Prefix},
		{"backend", r.Backend.String()},
		{"split_by", r.SplitBy.String()},
		{"mirror", r.Mirror.String()},
		{"handler", r.Handler},
		{"redirect", redirectText(r.Redirect)},
		{"respond", respondText(r)},
		{"auth", string(r.Auth)},
		{"roles", orAny(strings.Join(r.Roles, ", "))},
		{"claims", claimsText(r)},
		{"basic", basicText(r)},
		{"allow_from", orAny(addressText(&r.AllowFrom))},
		{"deny_from", addressText(&r.DenyFrom)},
		{"methods", orAny(strings.Join(route.WithHead(r.Methods), ", "))},
		{"hosts", orAny(strings.Join(slices.Sorted(slices.Values(r.Hosts)), ", "))},
		{"headers", orAny(digests(r.Headers))},
		{"strip_prefix", fmt.Sprint(r.StripPrefix)},
		{"rewrite", rewriteText(r.Rewrite)},
		{"rewrite_location", locationText(r)},
		{"preserve_host", fmt.Sprint(r.PreserveHost)},
		{"forward_token", fmt.Sprint(r.ForwardToken)},
		{"allow_encoded_slashes", fmt.Sprint(r.AllowEncodedSlashes)},
		{"protocol", string(r.Protocol)},
		{"tls", tls},
		{"timeout", r.Timeout.String()},
		{"connect_timeout", r.ConnectTimeout.String()},
		{"idle_timeout", r.IdleTimeout.String()},
		{"max_body", r.MaxBody.String()},
		{"request_headers", rulesText(r.RequestHeaders)},
		{"cors", corsText(r.CORS)},
		{"compress", r.Compress.String()},
		{"response_headers", rulesText(r.ResponseHeaders)},
		{"upgrade", strings.Join(slices.Sorted(slices.Values(r.Upgrade)), ", ")},
	}
}

// locationText returns "off" for a route that does not map addresses in answers back.
func locationText(r *config.Route) string {
	if r.Backend == nil || bool(r.RewriteLocation) {
		return ""
	}
	return "off"
}

// redirectText returns a redirect as text, or "" for none.
func redirectText(r *config.Redirect) string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf("%d %s", r.Status, r.To)
}

// respondText returns a fixed answer as text, or "" for none. Its body and its
// headers may be secrets.
func respondText(of *config.Route) string {
	r := of.Respond
	if r == nil {
		return ""
	}
	parts := []string{r.Status.String()}
	for _, part := range []struct{ name, value string }{
		{"body", digest(r.Body)}, {"file", pathText(of.Folder, r.Folder, r.File)}, {"content_type", r.ContentType}, {"headers", digests(r.Headers)},
	} {
		if part.value != "" {
			parts = append(parts, part.name, part.value)
		}
	}
	return strings.Join(parts, " ")
}

func orNone(value string) string {
	if value == "" || value == "map[]" || value == "[]" {
		return "(none)"
	}
	return value
}

// orAny returns the text of a limit. An empty limit accepts every value.
func orAny(limit string) string {
	if limit == "" {
		return "any"
	}
	return limit
}

// global compares the keys outside routes. A change is weaker when it allows more callers,
// or lets callers set more.
func (d *Diff) global(before, after *config.Config) {
	var changed report = d.report
	changed("name", before.Name, after.Name, false)
	changed("users", onOff(before), onOff(after), after.Users.Off)
	changed("users.join", string(before.Users.Join), string(after.Users.Join), after.Users.Join == config.JoinAny)
	changed("users.grace", before.Users.Grace.String(), after.Users.Grace.String(), after.Users.Grace > before.Users.Grace)
	changedSet(changed, "users.companies", texts(before.Users.Companies), texts(after.Users.Companies))
	comparePeers(changed, "trusted_proxies", &before.TrustedProxies, &after.TrustedProxies, after)
	comparePeers(changed, "proxy_protocol", &before.ProxyProtocol, &after.ProxyProtocol, after)
	for _, name := range namesIn(before.Addresses, after.Addresses) {
		// Whether it is weaker depends on the routes, which probe compares.
		old, now := texts(before.Addresses[name].Networks), texts(after.Addresses[name].Networks)
		slices.Sort(old)
		slices.Sort(now)
		changed("addresses."+name, strings.Join(old, ", "), strings.Join(now, ", "), false)
	}
	issuers(changed, before.Tokens, after.Tokens)
	compareLimits(changed, &before.Limits, &after.Limits)
	changed("response_headers", rulesText(before.ResponseHeaders.Rules()), rulesText(after.ResponseHeaders.Rules()), false)
	d.loosenedAnswers(before.ResponseHeaders.Rules(), after.ResponseHeaders.Rules())
	if before.CORS != nil && after.CORS == nil {
		changed("cors", corsText(before.CORS), "off, and the backends decide", true)
	} else {
		compareCORS(changed, "cors", before.CORS, after.CORS)
	}
	for header, claim := range before.Identity.Headers {
		if _, kept := after.Identity.Headers[header]; !kept { // clients may now send it
			changed("identity.headers."+header, claim, "", true)
		}
	}
	for header, claim := range after.Identity.Headers {
		was := before.Identity.Headers[header]
		changed("identity.headers."+header, was, claim, was != "") // backends would still read the old claim in it
	}
	changed("tests", testTexts(before.Tests), testTexts(after.Tests), false)
}

// report adds a change of a key to a Diff. It does nothing when old and now are equal.
type report func(key, old, now string, weaker bool)

func (d *Diff) report(key, old, now string, weaker bool) {
	if old == now {
		return
	}
	line := fmt.Sprintf("%s: %s → %s", key, orNone(old), orNone(now))
	if weaker {
		d.Weaker = append(d.Weaker, line)
	} else {
		d.Changed = append(d.Changed, line)
	}
}

// compareLimits compares the bounds on clients. 0 means no bound.
func compareLimits(changed report, before, after *config.Limits) {
	limit := func(key string, old, now int) {
		changed("limits."+key, strconv.Itoa(old), strconv.Itoa(now), old > 0 && (now == 0 || now > old))
	}
	limit("connections", int(before.Connections), int(after.Connections))
	limit("connections_per_client", int(before.ConnectionsPerClient), int(after.ConnectionsPerClient))
	limit("requests_per_client", int(before.RequestsPerClient), int(after.RequestsPerClient))
}

// changedSet compares two sets. The change is weaker when the new set has more members.
func changedSet(changed report, key string, before, after []string) {
	before, after = slices.Sorted(slices.Values(before)), slices.Sorted(slices.Values(after))
	more := slices.ContainsFunc(after, func(v string) bool { return !slices.Contains(before, v) })
	changed(key, strings.Join(before, ", "), strings.Join(after, ", "), more)
}

func onOff(c *config.Config) string {
	if c.Users.Off {
		return "off"
	}
	return "on"
}

func texts[T fmt.Stringer](values []T) []string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = v.String()
	}
	return list
}

func testTexts(tests []config.Test) string {
	list := make([]string, len(tests))
	for i, t := range tests {
		list[i] = testText(&t)
	}
	return strings.Join(list, "; ")
}
