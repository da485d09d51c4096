// This file has the keys of other gateways that people write into a table.

package config

import (
	"slices"
	"strings"
)

// foreignKey says what to write in place of a key of another gateway.
type foreignKey struct {
	words string // the keys, without hyphens and underscores, in lower case
	place string // where ours belongs
	ours  string // the key of a table that does the same; "" when there is none
	// example shows ours with a value. Without ours it says what to do instead.
	example string
}

// The places of our keys.
const (
	inRoute = "in a route"
	inCORS  = "in `cors`"
	atTop   = "at the top of the table"
)

// foreignKeys are keys of nginx, Traefik, Caddy, Kong and Envoy. The first entry that
// has the word and whose key is known at the place wins, then the first with the word.
var foreignKeys = []foreignKey{
	{"proxypass reverseproxy forwardto proxyto uri origin destination", inRoute, "backend", "backend: http://127.0.0.1:8080"},
	{"upstreams servers loadbalancer cluster clusters services backends", inRoute, "backend", "backend: http://orders:8080; a route has one backend, so name a load balancer or a DNS name for several servers"},
	{"location match matcher handle pathprefix paths rule", inRoute, "prefix", "prefix: /orders; hosts, methods and headers of the route narrow it"},
	{"servername domain domains virtualhost vhost", inRoute, "hosts", "hosts: [www.example.com]"},
	{"strippath stripuri trimprefix handlepath", inRoute, "strip_prefix", "strip_prefix: true"},
	{"passhostheader hostheader preservehostheader", inRoute, "preserve_host", "preserve_host: true"},
	{"websocket websockets", inRoute, "upgrade", "upgrade: [websocket]"},
	{"h2c http2 grpc", inRoute, "protocol", "protocol: h2c"},
	{"redir return redirectscheme redirectregex redirects", inRoute, "redirect", "redirect: {to: /new, status: 308}"},
	{"response staticresponse directresponse fixedresponse", inRoute, "respond", `respond: {status: 503, body: "soon back"}`},
	{"clientmaxbodysize maxbodysize bodylimit requestbody", inRoute, "max_body", "max_body: 10MiB"},
	{"proxyreadtimeout readtimeout requesttimeout responsetimeout", inRoute, "timeout", "timeout: 60s"},
	{"proxyconnecttimeout dialtimeout", inRoute, "connect_timeout", "connect_timeout: 10s"},
	{"proxysendtimeout writetimeout keepalivetimeout", inRoute, "idle_timeout", "idle_timeout: 5m"},
	{"public anonymous noauth", inRoute, "auth", "auth: none"},
	{"groups scopes permissions", inRoute, "roles", "roles: [admin]"},
	{"cacert cacertificate proxyssltrustedcertificate", inRoute, "tls", "tls: {ca: authority.pem}"},
	{"alloworigins allowedorigins allowedorigin", inCORS, "origins", `origins: ["https://app.example.com"]`},
	{"allowcredentials allowedcredentials", inCORS, "credentials", "credentials: true"},
	{"exposeheaders exposedheaders", inCORS, "expose", "expose: [X-Request-ID]"},
	{"corsorigins alloworigins allowedorigins enablecors corspolicy", atTop, "cors", `cors: {origins: ["https://app.example.com"]}`},
	{"jwt jwtauth issuer issuers jwks oidc oauth2", atTop, "tokens", "tokens: [{issuer: https://login.example.com/, keys: https://login.example.com/jwks.json, …}]"},
	{"addheader customresponseheaders proxyhideheader", atTop, "response_headers", "response_headers: {X-Frame-Options: DENY}"},
	{"setrealipfrom realipfrom trustedips forwardedheaders trustedproxy", atTop, "trusted_proxies", "trusted_proxies: [10.0.0.0/8]"},
	{"ratelimit ratelimiting limitreq limitconn throttle", atTop, "limits", "limits: {requests_per_client: 100}; it bounds requests at the same time, not their rate"},

	{"root alias fileserver static index", "", "", "Gatehouse serves no folders: `respond: {file: page.html}` answers one file; for more, forward to a file server"},
	{"middlewares middleware plugins plugin filters annotations", "", "", "there are no modules to name: each feature has its own key, see docs/routes.md"},
	{"basicauth forwardauth authrequest keyauth", "", "", "callers are known by their tokens: `auth: strict`, with `tokens` of your issuer or the built-in users"},
	{"gzip compress encode brotli compression", "", "", "the gateway does not compress: let the backend do so, its encoding passes"},
	{"rewrite rewrites urlrewrite replacepath replacepathregex", "", "", "the gateway does not rewrite paths, but for `strip_prefix: true` and a path in `backend`"},
	{"proxysetheader headerup requestheaders customrequestheaders requesttransformer", "", "", "headers of requests cannot be set: `identity.headers` passes claims on, the other headers of a client pass"},
	{"allow deny allowfrom denyfrom ipallowlist ipwhitelist iprestriction", "", "", "the gateway does not filter addresses: do so in the network in front of it"},
	{"cache proxycache caching", "", "", "the gateway stores no answers: use a cache in front of it"},
	{"retry retries proxynextupstream lbtryduration", "", "", "the gateway does not try other servers: a load balancer as the backend can do so"},
	{"healthcheck healthchecks healthuri healthy", "", "", "backends are not probed: gatehouse_backend_up tells what requests have met"},
	{"errorpage errorpages handleerrors", "", "", "the gateway's errors are JSON, and those of backends pass as they are"},
	{"insecureskipverify tlsinsecureskipverify proxysslverify", "", "", "certificates are always verified: name the authority in `tls: {ca: authority.pem}`"},
	{"sslcertificate sslcertificatekey certfile keyfile certificates certresolver", "", "", "the gateway's own certificate is a setting of the process: GATEWAY_TLS_CERT_FILE and GATEWAY_TLS_KEY_FILE"},
	{"entrypoints entrypoint ports", "", "", "a table cannot set the listeners: set GATEWAY_LISTEN and GATEWAY_OPS_LISTEN, and restart"},
	{"accesslog log logging errorlog", "", "", "the log is a setting of the process: see GATEWAY_LOG_LEVEL in docs/settings.md"},
	{"include import imports extends", "", "", "a table is one file"},
}

// foreignHint returns the hint for a key of another gateway, or "". known are the keys
// of the place where it stands.
func foreignHint(key string, known []string) string {
	folded := strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(key))
	var found *foreignKey
	for i := range foreignKeys {
		entry := &foreignKeys[i]
		if !slices.Contains(strings.Fields(entry.words), folded) {
			continue
		}
		if slices.Contains(known, entry.ours) {
			return "write " + entry.example
		}
		if found == nil {
			found = entry
		}
	}
	switch {
	case found == nil:
		return ""
	case found.ours == "":
		return found.example
	}
	return "write, " + found.place + ", " + found.example
}
