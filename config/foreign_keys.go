// This file has the keys of other gateways that people write into a table.

package config

import (
	"slices"
	"strings"
)

// foreignKey is a key of other gateways, and what to write in its place.
type foreignKey struct {
	words   string // the spellings, without hyphens and underscores, in lower case
	place   string // where ours belongs
	ours    string // the key of a table that does the same; "" when there is none
	example string // ours with a value, as YAML; "" without ours
	note    string // what else to know; without ours, what to do instead
}

// The places of our keys.
const (
	inRoute    = "in a route"
	inTLS      = "in `tls` of a route"
	inCORS     = "in `cors`"
	inLimits   = "in `limits`"
	inBackend  = "in a backend of `backends`"
	inHealth   = "in `health` of a backend"
	inRetry    = "in `retry` of a backend"
	inServer   = "in a server of a backend"
	inPassive  = "in `passive` of a backend"
	inRedirect = "in `redirect`"
	inRespond  = "in `respond`"
	inRewrite  = "in `rewrite`"
	atTop      = "at the top of the table"
)

// foreignKeys are keys of nginx, Traefik, Caddy, Kong and Envoy. The first entry that
// has the word and whose key is known at the place wins, then the first with the word.
var foreignKeys = []foreignKey{
	{words: "proxypass reverseproxy forwardto proxyto uri url upstream service target origin destination", place: inRoute, ours: "backend", example: "backend: http://127.0.0.1:8080"},
	{words: "upstreams loadbalancer loadbalancers cluster clusters services", place: atTop, ours: "backends", example: "backends: {orders: {servers: [http://10.0.0.1:8080, http://10.0.0.2:8080]}}", note: "a route names it: `backend: orders`"},
	{words: "upstreams servers loadbalancer loadbalancers cluster clusters services", place: inRoute, ours: "backend", example: "backend: http://orders:8080", note: "several servers are a backend of their own: define it in `backends`, and write its name here"},
	{words: "endpoints targets nodes hosts to upstream upstreams backends addresses members", place: inBackend, ours: "servers", example: "servers: [http://10.0.0.1:8080, http://10.0.0.2:8080]"},
	{words: "dns dynamic resolve resolver srv dynamicupstreams strictdns", place: inBackend, ours: "discover", example: "discover: {url: http://orders-headless:8080}"},
	{words: "lbpolicy loadbalancing loadbalancer loadbalance policy lb algorithm strategy leastconn leastconnections leastrequest iphash roundrobin random", place: inBackend, ours: "balance", example: "balance: p2c", note: "p2c, round_robin or hash"},
	{words: "hashpolicy hashkey hashby consistenthash hashon", place: inBackend, ours: "hash", example: "hash: {header: X-Tenant}", note: "with balance: hash"},
	{words: "cookie stickycookie stickysession stickysessions sessionaffinity affinity persistence", place: inBackend, ours: "sticky", example: "sticky: {cookie: gh_orders}"},
	{words: "healthcheck healthchecks healthuri activehealthcheck activehealthchecks check", place: inBackend, ours: "health", example: "health: {path: /healthz}"},
	{words: "maxfails failtimeout failduration outlierdetection circuitbreaker circuitbreakers passivehealthcheck passivehealthchecks unhealthystatus unhealthy", place: inBackend, ours: "passive", example: "passive: {fails: 5, eject: 30s}"},
	{words: "retries proxynextupstream lbretries lbtryduration retrypolicy retryon", place: inBackend, ours: "retry", example: "retry: {attempts: 2, when: [connect, reset, 503]}"},
	{words: "maxconns maxconnections maxpendingrequests maxqueue unhealthyrequestcount", place: inBackend, ours: "max_requests", example: "max_requests: 1000"},
	{words: "passhostheader hostheader preservehostheader", place: inBackend, ours: "preserve_host", example: "preserve_host: true"},
	{words: "cacert cacertificate proxyssltrustedcertificate", place: inBackend, ours: "tls", example: "tls: {ca: authority.pem}"},
	{words: "uri target host address upstream", place: inServer, ours: "url", example: "url: http://10.0.0.1:8080"},
	{words: "uri httppath endpoint url", place: inHealth, ours: "path", example: "path: /healthz"},
	{words: "unhealthythreshold failurethreshold maxfails fall", place: inHealth, ours: "fails", example: "fails: 3"},
	{words: "healthythreshold successthreshold rise successes", place: inHealth, ours: "passes", example: "passes: 2"},
	{words: "status statuses expectstatus expectedstatuses match", place: inHealth, ours: "expect", example: "expect: [200-299]"},
	{words: "maxfails consecutive5xx consecutiveerrors failurethreshold", place: inPassive, ours: "fails", example: "fails: 5"},
	{words: "failtimeout failduration baseejectiontime", place: inPassive, ours: "eject", example: "eject: 30s"},
	{words: "maxejectionpercent", place: inPassive, ours: "max_ejected", example: "max_ejected: 50%"},
	{words: "count numretries tries retries maxretries", place: inRetry, ours: "attempts", example: "attempts: 2", note: "the first time counts"},
	{words: "on retryon conditions status statuses statuscodes", place: inRetry, ours: "when", example: "when: [connect, reset, 503]"},
	{words: "trytimeout pertrytimeout timeout", place: inRetry, ours: "per_try", example: "per_try: 5s"},
	{words: "split weightedclusters trafficsplit canary", place: inRoute, ours: "backend", example: "backend: {orders: 95, orders-v2: 5}", note: "names of `backends`, with weights"},
	{words: "shadow mirrors requestmirrorpolicy trafficmirror", place: inRoute, ours: "mirror", example: "mirror: {backend: orders-v2, percent: 5%}"},
	{words: "weight weights lbpolicy loadbalancing sticky stickysession healthcheck healthchecks healthuri healthy maxfails failtimeout outlierdetection circuitbreaker circuitbreakers retry retries proxynextupstream lbtryduration health passive balance", place: atTop, ours: "backends", example: "backends: {orders: {servers: [http://10.0.0.1:8080, http://10.0.0.2:8080]}}", note: "its keys balance, sticky, health, passive and retry are about that; a route names it: `backend: orders`"},
	{words: "location match matcher handle path pathprefix paths rule", place: inRoute, ours: "prefix", example: "prefix: /orders", note: "hosts, methods and match_headers of a route are further conditions"},
	{words: "host servername domain domains virtualhost vhost", place: inRoute, ours: "hosts", example: "hosts: [www.example.com]"},
	{words: "addprefix pathrewrite", place: inRoute, ours: "backend", example: "backend: http://orders:8080/v2", note: "a path in the URL is put before that of the request; `rewrite` replaces it"},
	{words: "strippath stripuri trimprefix handlepath", place: inRoute, ours: "strip_prefix", example: "strip_prefix: true"},
	{words: "rewrites urlrewrite replacepath replacepathregex regexrewrite pathregexp stripprefixregex", place: inRoute, ours: "rewrite", example: "rewrite: {from: '^(/.*)$', to: '/v2$1'}"},
	{words: "proxyredirect proxycookiepath", place: inRoute, ours: "rewrite_location", example: "rewrite_location: off", note: "paths in Location and cookies are mapped back where that is certain; off leaves them"},
	{words: "passhostheader hostheader preservehostheader", place: inRoute, ours: "preserve_host", example: "preserve_host: true"},
	{words: "websocket websockets", place: inRoute, ours: "upgrade", example: "upgrade: [websocket]"},
	{words: "h2c http2 grpc", place: inRoute, ours: "protocol", example: "protocol: h2c"},
	{words: "redir return redirectregex redirects", place: inRoute, ours: "redirect", example: "redirect: {to: /new, status: 308}"},
	{words: "response staticresponse directresponse fixedresponse maintenance maintenancemode", place: inRoute, ours: "respond", example: `respond: {status: 503, body: "soon back"}`},
	{words: "url uri location target destination", place: inRedirect, ours: "to", example: "to: /new"},
	{words: "code statuscode permanent", place: inRedirect, ours: "status", example: "status: 301"},
	{words: "code statuscode", place: inRespond, ours: "status", example: "status: 503"},
	{words: "text content message", place: inRespond, ours: "body", example: `body: "soon back"`},
	{words: "regex regexp pattern match", place: inRewrite, ours: "from", example: "from: '^(/.*)$'"},
	{words: "replacement", place: inRewrite, ours: "to", example: "to: '/v2$1'"},
	{words: "clientmaxbodysize maxbodysize bodylimit requestbody", place: inRoute, ours: "max_body", example: "max_body: 10MiB"},
	{words: "proxyreadtimeout readtimeout requesttimeout responsetimeout", place: inRoute, ours: "timeout", example: "timeout: 60s"},
	{words: "proxyconnecttimeout dialtimeout", place: inRoute, ours: "connect_timeout", example: "connect_timeout: 10s"},
	{words: "proxysendtimeout writetimeout keepalivetimeout", place: inRoute, ours: "idle_timeout", example: "idle_timeout: 5m"},
	{words: "proxysetheader headerup requestheader requestheaders customrequestheaders requesttransformer requestheadersadd setrequestheader", place: inRoute, ours: "request_headers", example: "request_headers: {set: {X-Env: prod}, remove: [X-Debug]}", note: "`identity.headers` passes claims on by itself"},
	{words: "addheader customresponseheaders proxyhideheader responseheaderadd setresponseheader headerdown", place: inRoute, ours: "response_headers", example: "response_headers: {set: {X-Frame-Options: DENY}, remove: [Server]}"},
	{words: "hsts stsseconds framedeny secureheaders securityheaders", place: inRoute, ours: "response_headers", example: "response_headers: {set: {Strict-Transport-Security: max-age=31536000}}"},
	{words: "header setheader setheaders", note: "`request_headers` changes what the backend gets, `response_headers` what the client gets; `match_headers` is a condition"},
	{words: "gzip encode brotli compression zstd deflate gziptypes gzipminlength gzipcomplevel gzipstatic", place: inRoute, ours: "compress", example: "compress: true"},
	{words: "policy", place: inRoute, ours: "auth", example: "auth: strict"},
	{words: "public anonymous noauth", place: inRoute, ours: "auth", example: "auth: none"},
	{words: "groups", place: inRoute, ours: "roles", example: "roles: [admin]"},
	{words: "scope scopes permissions requiredscopes requiredclaims", place: inRoute, ours: "claims", example: "claims: {scope: [orders:read]}"},
	{words: "allow allowfrom ipallowlist ipwhitelist iprestriction sourcerange whitelist allowlist whitelistsourcerange ipfilter", place: inRoute, ours: "allow_from", example: "allow_from: [10.0.0.0/8]"},
	{words: "deny denyfrom ipdenylist ipblacklist blacklist denylist", place: inRoute, ours: "deny_from", example: "deny_from: [192.0.2.7]"},
	{words: "basicauth authbasicuserfile authbasic httpbasic htpasswd basicauthfile digestauth", place: inRoute, ours: "basic", example: "basic: internal.htpasswd, auth: none", note: "`htpasswd -B` writes the file"},
	{words: "cacert cacertificate proxyssltrustedcertificate", place: inRoute, ours: "tls", example: "tls: {ca: authority.pem}"},
	{words: "cacert cacertificate proxyssltrustedcertificate", place: inTLS, ours: "ca", example: "ca: authority.pem"},
	{words: "alloworigins allowedorigins allowedorigin", place: inCORS, ours: "origins", example: `origins: ["https://app.example.com"]`},
	{words: "allowcredentials allowedcredentials", place: inCORS, ours: "credentials", example: "credentials: true"},
	{words: "exposeheaders exposedheaders", place: inCORS, ours: "expose", example: "expose: [X-Request-ID]"},
	{words: "corsorigins alloworigins allowedorigins enablecors corspolicy corsalloworigin accesscontrolalloworigin accesscontrolalloworiginlist", place: atTop, ours: "cors", example: `cors: {origins: ["https://app.example.com"]}`},
	{words: "jwt jwtauth issuer issuers jwks oidc oauth2 openidconnect", place: atTop, ours: "tokens", example: "tokens: [{issuer: https://login.example.com/, keys: https://login.example.com/jwks.json, audience: orders, algorithms: [RS256]}]"},
	{words: "setrealipfrom realipfrom trustedips forwardedheaders trustedproxy", place: atTop, ours: "trusted_proxies", example: "trusted_proxies: [10.0.0.0/8]"},
	{words: "proxyprotocols acceptproxy", place: atTop, ours: "proxy_protocol", example: "proxy_protocol: [10.0.0.5]"},
	{words: "ratelimit ratelimiting limitreq limitconn throttle inflightreq", place: atTop, ours: "limits", example: "limits: {requests_per_client: 100}", note: "this limits requests at the same time, not their rate"},
	{words: "ratelimit ratelimiting limitreq limitconn throttle inflightreq", place: inLimits, ours: "requests_per_client", example: "requests_per_client: 100", note: "this limits requests at the same time, not their rate"},

	{words: "root alias fileserver static index tryfiles autoindex documentroot", note: "Gatehouse serves no folders: `respond: {file: page.html}` answers one file; for more, forward to a file server"},
	{words: "middlewares middleware plugins plugin filters annotations", note: "there are no modules to name: each feature has its own key, see docs/routes.md"},
	{words: "forwardauth authrequest keyauth", note: "callers are known by their tokens: `auth: strict`, with `tokens` of your issuer or the built-in users"},
	{words: "cache proxycache caching", note: "the gateway stores no answers: use a cache in front of it"},
	{words: "buffering proxybuffering proxyrequestbuffering buffer buffers", note: "remove it: bodies are always streamed, in both directions"},
	{words: "redirectscheme forcessl sslredirect forcehttps httpsredirect redirecttohttps httptohttps forcesslredirect", note: "requests without TLS to the port for TLS are redirected anyway; for port 80, set GATEWAY_REDIRECT_LISTEN"},
	{words: "errorpage errorpages handleerrors customerrors", place: atTop, ours: "errors", example: "errors: {503: sorry.html}", note: "these pages replace the gateway's own errors; those of backends pass as they are"},
	{words: "insecureskipverify tlsinsecureskipverify proxysslverify", note: "certificates are always verified: name the authority in `tls: {ca: authority.pem}`"},
	{words: "sslcertificate sslcertificatekey certfile keyfile certificates certresolver", note: "the gateway's own certificate is a setting of the process: GATEWAY_TLS_CERT_FILE and GATEWAY_TLS_KEY_FILE"},
	{words: "sslcertificate certfile clientcert clientcertificate", place: inTLS, ours: "cert", example: "cert: client.pem"},
	{words: "sslcertificatekey keyfile clientkey", place: inTLS, ours: "key", example: "key: client-key.pem"},
	{words: "entrypoints entrypoint ports", note: "a table cannot set the listeners: set GATEWAY_LISTEN and GATEWAY_OPS_LISTEN, and restart"},
	{words: "accesslog log logging errorlog", note: "the log is a setting of the process: see GATEWAY_LOG_LEVEL in docs/settings.md"},
	{words: "import imports extends includes", place: atTop, ours: "include", example: "include: [routes.d/*.yaml]"},
}

// foreignHint returns the hint for a key of another gateway, or "". known are the keys
// of the place where it stands; isHere reports whether ours is one of them.
func foreignHint(key string, known []string) (hint string, isHere bool) {
	folded := strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(key))
	var found *foreignKey
	for i := range foreignKeys {
		entry := &foreignKeys[i]
		if !slices.Contains(strings.Fields(entry.words), folded) {
			continue
		}
		if slices.Contains(known, entry.ours) {
			return entry.hint("write "), true
		}
		if found == nil && !entry.isLocal() {
			found = entry
		}
	}
	if found == nil {
		return "", false
	}
	return found.hint("write, " + found.place + ", "), false
}

// isLocal reports whether the word means this only at the place of the key.
func (f *foreignKey) isLocal() bool {
	return slices.Contains([]string{inBackend, inServer, inHealth, inPassive, inRetry}, f.place)
}

// hint returns the example with the note behind it, or the note alone.
func (f *foreignKey) hint(write string) string {
	switch {
	case f.ours == "":
		return f.note
	case f.note == "":
		return write + f.example
	}
	return write + f.example + "; " + f.note
}
