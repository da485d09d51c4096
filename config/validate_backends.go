// This file has the rules for named backends: their servers, and how one is chosen.

package config

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"gatehouse/config/problem"
	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

// backends checks the named backends.
func (v *validator) backends() {
	cookies := map[string]*yamldoc.Field{}
	for name, field := range v.file.Get("backends").Keys() {
		if f := backendNameRule(name); f != nil {
			field.RejectKey(f)
			continue
		}
		backend := v.config.Backends[name]
		if backend == nil || !field.Valid() {
			continue
		}
		v.backend(field, backend)
		if at := field.Get("sticky").Get("cookie"); at != nil && backend.Sticky != nil {
			if earlier := cookies[backend.Sticky.Cookie]; earlier != nil {
				at.Reject(&problem.Fault{Reason: "another backend has this cookie", Hint: "first used at " + earlier.PlaceFrom(at) + ": each would overwrite that of the other"})
			}
			cookies[backend.Sticky.Cookie] = at
		}
	}
}

// backendNameRule checks the name of a backend.
func backendNameRule(name string) *problem.Fault {
	switch {
	case len(name) > MaxName:
		return &problem.Fault{Reason: "longer than 64 characters", Hint: "it is a label in metrics and logs"}
	case !isBackendName(name) || !isAlphanumeric(name[0]):
		return &problem.Fault{Reason: "not a name", Hint: "letters, digits, `_` and `-`, beginning with a letter or a digit"}
	case strings.Trim(name, "0123456789") == "":
		return &problem.Fault{Reason: "a name needs more than digits", Hint: "such as orders"}
	}
	return nil
}

// backend checks one backend.
func (v *validator) backend(field *yamldoc.Field, backend *Backend) {
	switch {
	case field.Given("servers") && field.Given("discover"):
		field.Forbid("discover", "and servers exclude each other", "a backend has listed servers, or looks them up")
	case field.Given("servers"):
		servers(field.Get("servers"), backend.Servers)
	case field.Given("discover"):
		discover(field.Get("discover"), backend.Discover)
	default:
		field.Missing("servers", "a list of URLs, such as [http://10.0.0.1:8080, http://10.0.0.2:8080]; or `discover` for the addresses of one host name")
	}
	v.balance(field, backend)
	v.sticky(field.Get("sticky"), backend.Sticky)
	v.health(field, backend)
	passive(field.Get("passive"), backend.Passive)
	retry(field.Get("retry"), backend.Retry)
	queue(field, backend)
	v.backendConnection(field, backend)
	v.confineBackend(field, backend)
}

// servers checks the servers of a backend. They have one scheme and one path, because a
// request must mean the same to each of them.
func servers(list *yamldoc.Field, of []Server) {
	if list == nil {
		return
	}
	if list.IsEmpty() {
		list.Fail("is empty", "list at least one URL")
		return
	}
	var first *yamldoc.Field
	var model *url.URL
	seen := map[string]*yamldoc.Field{}
	idle := 0 // servers of weight 0
	for i, entry := range list.Entries() {
		at := entry
		if entry.IsMapping() {
			if !entry.Given("url") {
				entry.Missing("url", "such as http://10.0.0.1:8080")
			}
			if at = entry.Get("url"); at == nil {
				continue
			}
		}
		server := &of[i]
		if server.Weight == 0 && entry.Get("weight") != nil {
			idle++
		}
		if f := backendRule(server.URL); f != nil {
			at.Reject(f)
			continue
		}
		key := serverAddress(server.URL)
		if earlier := seen[key]; earlier != nil {
			at.Reject(&problem.Fault{Reason: "is listed twice", Hint: "first listed at " + earlier.PlaceFrom(at) + "; `weight` gives a server a larger share"})
			continue
		}
		seen[key] = at
		if first == nil {
			first, model = at, server.URL
			continue
		}
		if f := unlike(server.URL, model, first.PlaceFrom(at)); f != nil {
			at.Reject(f)
		}
	}
	if idle == len(of) {
		list.Fail("have no weight", "all weights are 0, so no server would get a request")
	}
}

// unlike returns a fault for the URL of a server that differs from that of the first one
// in more than its address.
func unlike(server, first *url.URL, place string) *problem.Fault {
	switch {
	case server.Scheme != first.Scheme:
		return &problem.Fault{Reason: "has another scheme than the first server", Hint: "all servers of a backend are http, or all are https; the first is at " + place}
	case strings.TrimSuffix(server.EscapedPath(), "/") != strings.TrimSuffix(first.EscapedPath(), "/"):
		return &problem.Fault{Reason: "has another path than the first server", Hint: "all servers of a backend have the same path; the first is at " + place}
	}
	return nil
}

// serverAddress returns the same text for two URLs of one server.
func serverAddress(server *url.URL) string {
	port := strings.TrimLeft(server.Port(), "0")
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[server.Scheme]
	}
	return strings.ToLower(server.Hostname()) + ":" + port
}

// discover checks how servers are looked up.
func discover(field *yamldoc.Field, of *Discover) {
	if field == nil || of == nil {
		return
	}
	switch {
	case field.Given("url") && field.Given("srv"):
		field.Forbid("srv", "and url exclude each other", "the servers are the addresses of one host name, or what SRV records name")
		return
	case !field.Given("url") && !field.Given("srv"):
		field.Missing("url", "such as http://orders-headless:8080, whose every address is a server; or `srv`, such as _http._tcp.orders")
		return
	}
	if at := field.Get("url"); at != nil && of.URL != nil {
		f := backendRule(of.URL)
		if f == nil && value.IsAddress(of.URL.Hostname()) {
			f = &problem.Fault{Reason: "has no host name to look up", Hint: "list an address in `servers`"}
		}
		if f != nil {
			at.Reject(f)
		}
	}
	field.Check("srv", of.SRV, srvRule)
	atLeast(field, "refresh", of.Refresh, time.Second)
}

// srvRule checks the name of SRV records: _service._tcp.name (RFC 2782).
func srvRule(name string) *problem.Fault {
	const hint = "such as _http._tcp.orders.example.com"
	if strings.Contains(name, "/") {
		return &problem.Fault{Reason: "not the name of SRV records", Hint: hint + ", without a scheme and a path"}
	}
	labels := strings.Split(name, ".")
	if len(labels) < 3 || !strings.HasPrefix(labels[0], "_") || !strings.HasPrefix(labels[1], "_") || labels[0] == "_" {
		return &problem.Fault{Reason: "not the name of SRV records", Hint: hint}
	}
	if !strings.EqualFold(labels[1], "_tcp") {
		return &problem.Fault{Reason: "its protocol is not _tcp", Hint: "HTTP to backends uses TCP: " + hint}
	}
	host := strings.Join(labels[2:], ".")
	if value.IsAddress(host) {
		return &problem.Fault{Reason: "has an address in place of a name", Hint: hint}
	}
	return value.CheckHost(name)
}

// atLeast rejects a duration that is shorter than least.
func atLeast(field *yamldoc.Field, key string, duration, least time.Duration) {
	field.Check(key, "", func(string) *problem.Fault {
		if duration < least {
			return &problem.Fault{Reason: "too short", Hint: "at least " + least.String()}
		}
		return nil
	})
}

// balance checks how a server is chosen.
func (v *validator) balance(field *yamldoc.Field, backend *Backend) {
	field.Check("balance", string(backend.Balance), func(balance string) *problem.Fault {
		return problem.OneOf("way to balance", balance, string(BalanceP2C), string(BalanceRoundRobin), string(BalanceHash))
	})
	v.hashKey(field.Get("hash"), backend.Hash)
	switch {
	case field.Given("hash") && backend.Balance != BalanceHash:
		hint := "add balance: hash, or remove it"
		if field.Given("balance") {
			hint = "make it balance: hash, or remove it"
		}
		field.Forbid("hash", "needs balance: hash", hint)
	case !field.Given("hash") && backend.Balance == BalanceHash && field.Get("balance") != nil:
		field.Missing("hash", "what chooses the server: client_ip, or such as {header: X-Tenant}")
	}
}

// hashKey checks what of a request chooses a server or a side.
func (v *validator) hashKey(given *yamldoc.Field, key *HashKey) {
	if !given.IsMapping() || key == nil {
		return
	}
	var keys []string
	for _, k := range []string{"header", "cookie", "claim"} {
		if given.Given(k) {
			keys = append(keys, k)
		}
	}
	switch {
	case len(keys) == 0:
		given.Fail("is empty", "client_ip, or one of header, cookie and claim")
	case len(keys) > 1:
		given.Forbid(keys[1], "and "+keys[0]+" exclude each other", "one of them is the key")
	}
	given.Check("header", key.Header, func(name string) *problem.Fault {
		switch {
		case !isToken(name):
			return &problem.Fault{Reason: "not a header's name", Hint: "such as X-Tenant"}
		case FoldHeader(name) == "host":
			return &problem.Fault{Reason: "the host is no header here", Hint: "use `hosts` of routes for that"}
		}
		return nil
	})
	given.Check("cookie", key.Cookie, cookieRule)
	given.Check("claim", key.Claim, func(name string) *problem.Fault {
		return problem.First(notEmptyRule(name), claimNameRule(name))
	})
}

// cookieRule checks the name of a cookie, which is a token (RFC 6265 section 4.1.1).
func cookieRule(name string) *problem.Fault {
	if !isToken(name) {
		return &problem.Fault{Reason: "not a cookie's name", Hint: "such as session"}
	}
	return nil
}

// sticky checks the cookie that keeps a client at one server.
func (v *validator) sticky(field *yamldoc.Field, of *Sticky) {
	if field == nil || of == nil {
		return
	}
	if !field.Given("cookie") {
		field.Missing("cookie", "the name of the cookie, such as gh_orders")
	}
	field.Check("cookie", of.Cookie, func(name string) *problem.Fault {
		f := cookieRule(name)
		if f == nil && strings.HasPrefix(strings.ToLower(name), "__host-") {
			f = &problem.Fault{Reason: "browsers take such a cookie only over TLS", Hint: "use a name without __Host-"}
		}
		return f
	})
	if of.TTL > 0 {
		atLeast(field, "ttl", of.TTL, time.Second)
	}
}

// backendConnection checks the keys about connections to the servers.
func (v *validator) backendConnection(field *yamldoc.Field, backend *Backend) {
	if backend.Protocol != nil {
		field.Check("protocol", string(*backend.Protocol), protocolRule)
	}
	v.certificate(field.Get("tls"), backend.TLS)
	field.RefuseEmpty("tls", "to use the system's authorities")
	urls := backend.URLs()
	if len(urls) == 0 || urls[0] == nil || field.Get("servers") == nil && field.Get("discover") == nil {
		return
	}
	secure := urls[0].Scheme == "https"
	if field.Given("tls") && !secure {
		field.Forbid("tls", "is for https servers", "make the servers https://…, or remove tls")
	}
	if backend.Protocol != nil && *backend.Protocol == ProtocolH2C && secure {
		field.FailAt("protocol", "protocol h2c is HTTP/2 without TLS, and the servers are https", "use protocol: auto, which uses HTTP/2 when TLS negotiates it")
	}
}

// confineBackend checks the files that a backend of an owner names.
func (v *validator) confineBackend(field *yamldoc.Field, backend *Backend) {
	of := v.part(field).owner
	if of == nil {
		return
	}
	for _, file := range namedTLSFiles(field.Get("tls"), backend.TLS) {
		of.confineFile(file)
	}
}

// protocolRule checks the protocol to a backend.
func protocolRule(protocol string) *problem.Fault {
	return problem.OneOf("protocol", protocol, string(ProtocolAuto), string(ProtocolHTTP1), string(ProtocolH2C))
}

// IsIdempotent reports whether a request with the method may be sent again without
// another effect (RFC 9110 section 9.2.2).
func IsIdempotent(method string) bool {
	return slices.Contains([]string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND"}, method)
}
