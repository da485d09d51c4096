// This file has the types of a route table: every key, with its Go type.

package config

import (
	"time"

	"github.com/google/uuid"

	"gatehouse/config/problem"
	"gatehouse/config/value"
)

// Config is one route table after defaults and validation. It is immutable, so
// any goroutine may read it.
type Config struct {
	// File is the path of the table, as the operator wrote it.
	File string `yaml:"-"`
	// Hash identifies the table's content: the first 12 hexadecimal digits of
	// the SHA-256 of the file's bytes, or of all its files.
	Hash string `yaml:"-"`
	// Included are the files that the table includes.
	Included []Included `yaml:"-"`
	// Warnings are the problems that do not stop the table from being served.
	Warnings problem.List `yaml:"-"`

	// Name is the name of the gateway in the answers to GET / and GET /health.
	Name string `yaml:"name"`
	// Include lists the files that belong to the table. What they have is in
	// Addresses, Routes and Tests.
	Include  []Include `yaml:"include" entry:"include,files"`
	Identity Identity  `yaml:"identity"`
	Users    Users     `yaml:"users"`
	Tokens   []Issuer  `yaml:"tokens" entry:"issuer,issuer"`
	CORS     *CORS     `yaml:"cors"` // nil when the file has none, or off
	// Addresses are named sets of networks and addresses.
	Addresses map[string]AddressSet `yaml:"addresses"`
	// Backends are the named backends that routes may lead to.
	Backends       map[string]*Backend `yaml:"backends"`
	TrustedProxies AddressList         `yaml:"trusted_proxies"`
	ProxyProtocol  AddressList         `yaml:"proxy_protocol"` // peers that must send a PROXY header
	Limits         Limits              `yaml:"limits"`
	// ResponseHeaders change the headers of every answer, before those of the route. Nil
	// changes nothing.
	ResponseHeaders *TableHeaders `yaml:"response_headers"`
	// Errors are pages by status, such as 503, or by class: 4xx and 5xx. They replace
	// the bodies of the gateway's own errors for clients that prefer HTML.
	Errors map[string]ErrorPage `yaml:"errors"`
	Routes []Route              `yaml:"routes" entry:"route,name"`
	Tests  []Test               `yaml:"tests" entry:"test"`
}

// Identity configures which claims a backend receives, and in which headers.
type Identity struct {
	// Headers maps a header to the claim whose value it carries. All of these
	// headers are removed from requests of clients, on every route. When the
	// map is empty, the headers of DefaultIdentityHeaders are removed.
	Headers map[string]string `yaml:"headers"`
}

// Users configures the built-in users. `users: off` sets Off: such a gateway
// only verifies tokens, without a store, a login or a check of users.
type Users struct {
	Off       bool        `yaml:"-"`
	Companies []uuid.UUID `yaml:"companies"` // companies that users may join, besides GATEWAY_DEFAULT_COMPANY_ID
	Join      Join        `yaml:"join"`
	// Grace is how long the last known state of a user is used while the
	// gateway cannot learn of changes to users.
	Grace time.Duration `yaml:"grace"`
}

// Join determines which companies a user may join through ensure-company.
type Join string

// The values of `users.join`.
const (
	JoinListed Join = "listed" // the default company and those in `users.companies`
	JoinAny    Join = "any"    // every company, as in the original gateway
)

// Issuer is another issuer whose tokens are accepted, besides the gateway's
// own.
type Issuer struct {
	Issuer     string            `yaml:"issuer"`     // the exact `iss` claim
	Keys       string            `yaml:"keys"`       // an https URL or a file; JWKS or PEM
	Audience   Audiences         `yaml:"audience"`   // `aud` must have one of them; nil allows every audience
	Algorithms []string          `yaml:"algorithms"` // never read from the token
	Claims     map[string]string `yaml:"claims"`     // our name of a claim → the issuer's, which may be a path such as org.id
	// Leeway is how long after `exp` a token is still accepted, for an issuer
	// whose clock differs from the gateway's. It is at most MaxLeeway.
	Leeway time.Duration `yaml:"leeway"`
}

// MaxLeeway bounds the leeway of an issuer.
const MaxLeeway = 5 * time.Minute

// Audiences are the value of `audience`: one name, or a list of them.
type Audiences []string

// ClaimValues are the values of one claim: a plain value, or a list of them. A
// number or a boolean is its text.
type ClaimValues []string

// CORS is the cross-origin policy of a table, or of one route. That of a route
// replaces that of the table as a whole. `cors: off` sets Off: then the gateway
// adds nothing, and the backend decides.
type CORS struct {
	Off bool `yaml:"-"`

	// Origins are exact origins or patterns: `*` stands for letters, digits
	// and hyphens within one label, `[0-9]` for one character of a class. A
	// single "*" is any origin, and cannot be combined with Credentials.
	Origins     []string `yaml:"origins"`
	Credentials bool     `yaml:"credentials"`
	// AllowMethods and AllowHeaders are what preflights allow. Empty allows the usual
	// methods and those of the routes, and every header.
	AllowMethods []string      `yaml:"allow_methods"`
	AllowHeaders []string      `yaml:"allow_headers"`
	Expose       []string      `yaml:"expose"`
	MaxAge       time.Duration `yaml:"max_age"`
	// PrivateNetwork allows public pages to send requests into a private network,
	// where the gateway is. "*" in Origins never allows that.
	PrivateNetwork bool `yaml:"private_network"`
}

// CORSOf returns the cross-origin policy of a route, which may be that of the
// table. It returns nil when the backend decides.
func (c *Config) CORSOf(r *Route) *CORS {
	policy := c.CORS
	if r.CORS != nil {
		policy = r.CORS
	}
	if policy == nil || policy.Off {
		return nil
	}
	return policy
}

// Limits bound what clients may hold open. 0 means no bound. An IPv6 client is
// its /64. The connections of a trusted proxy do not count for a client.
type Limits struct {
	Connections          value.Count `yaml:"connections"`            // to the public listener; more are closed
	ConnectionsPerClient value.Count `yaml:"connections_per_client"` // more are closed
	RequestsPerClient    value.Count `yaml:"requests_per_client"`    // at the same time, streams included; more get 429
}

// Policy is what a route requires of a request before it is forwarded.
type Policy string

// The policies, from strictest to weakest.
const (
	PolicyStrict   Policy = "strict"   // a valid token with a company
	PolicyInitial  Policy = "initial"  // a valid token
	PolicyOptional Policy = "optional" // a valid token or no credential at all
	PolicyNone     Policy = "none"     // nothing
)

// IsOpen reports whether callers without a token pass.
func (p Policy) IsOpen() bool { return p == PolicyNone || p == PolicyOptional }

// Protocol is the protocol between the gateway and a backend.
type Protocol string

// The values of `protocol`.
const (
	ProtocolAuto  Protocol = "auto"  // HTTP/1.1, or HTTP/2 when TLS negotiates it
	ProtocolHTTP1 Protocol = "http1" // HTTP/1.1 only
	ProtocolH2C   Protocol = "h2c"   // HTTP/2 without TLS (RFC 9113 section 3.3), as gRPC uses
)

// HandlerUsers is the only built-in handler a route may name.
const HandlerUsers = "users"

// Route sends the requests under one path prefix to one target: a backend, a
// built-in handler, a redirect or a fixed answer. Exactly one of Backend,
// Handler, Redirect and Respond is set.
type Route struct {
	// Position is where the route starts in the file.
	Position problem.Position `yaml:"-"`
	// Folder is the folder of the included file that has the route, relative to
	// that of the table; "" in the table itself.
	Folder string `yaml:"-"`

	Name    string      `yaml:"name"`   // unique; the label in metrics and logs
	Prefix  string      `yaml:"prefix"` // "/" or "/a/b", matched on segment boundaries
	Backend *BackendRef `yaml:"backend"`
	Handler string      `yaml:"handler"`
	// Redirect and Respond are nil when the file has none.
	Redirect *Redirect `yaml:"redirect"`
	Respond  *Respond  `yaml:"respond"`

	// What a request must have, besides the prefix.
	Hosts   []string          `yaml:"hosts"`   // lower case, without port or brackets; "*.example.com" matches one label or more
	Methods []string          `yaml:"methods"` // upper case; other methods get 405; GET includes HEAD; empty allows every method
	Headers map[string]string `yaml:"headers"` // exact values, all of which are required
	// MatchHeaders is the other name of Headers, which says more. It is nil after
	// Parse: Headers has the values, by whichever name they were given.
	MatchHeaders map[string]string `yaml:"match_headers"`

	// Who may pass. A route with a Handler has no policy, and Auth is "": each
	// endpoint of the handler has its own.
	Auth  Policy   `yaml:"auth"`
	Roles []string `yaml:"roles"` // empty allows every role
	// Claims are the claims that a token must have, each with one of its values.
	// A name may be a path, such as realm_access.roles.
	Claims map[string]ClaimValues `yaml:"claims"`
	// Basic lists callers who may pass with a password, on routes with PolicyNone.
	Basic Basic `yaml:"basic"`
	// AllowFrom and DenyFrom are addresses of clients, behind trusted proxies.
	// DenyFrom wins. A request whose client is unknown passes only when both
	// are empty.
	AllowFrom AddressList `yaml:"allow_from"` // empty allows every address
	DenyFrom  AddressList `yaml:"deny_from"`

	// SplitBy keeps a caller on one side of a Backend with two names or more. Nil stands
	// for the client's address.
	SplitBy *HashKey `yaml:"split_by"`
	Mirror  *Mirror  `yaml:"mirror"` // nil when the file has none

	// How the request is forwarded.
	StripPrefix         bool     `yaml:"strip_prefix"`     // forward without the prefix
	Rewrite             *Rewrite `yaml:"rewrite"`          // nil when the file has none
	RewriteLocation     Switch   `yaml:"rewrite_location"` // map paths in the backend's answers back, where that is certain
	PreserveHost        bool     `yaml:"preserve_host"`    // send the client's Host, not the backend's
	ForwardToken        bool     `yaml:"forward_token"`    // forward Authorization
	AllowEncodedSlashes bool     `yaml:"allow_encoded_slashes"`
	Protocol            Protocol `yaml:"protocol"`
	Upgrade             []string `yaml:"upgrade"` // lower case; protocols that a client may switch to; empty allows none
	// RequestHeaders change the headers that the backend gets. Nil changes nothing.
	RequestHeaders *HeaderRules `yaml:"request_headers"`

	// CORS is nil when the route has the policy of the table; see Config.CORSOf.
	CORS *CORS `yaml:"cors"`
	// Compress has the codings that answers may be compressed with, the preferred ones
	// first. Empty compresses nothing.
	Compress Codings `yaml:"compress"`
	// ResponseHeaders change the headers of every answer of the route, also of the
	// gateway's own. Nil changes nothing.
	ResponseHeaders *HeaderRules `yaml:"response_headers"`
	TLS             *TLS         `yaml:"tls"` // nil when the file has none

	// Bounds. A duration or a size of 0 means no bound.
	Timeout        time.Duration `yaml:"timeout"`         // until the response headers, while the gateway waits for the backend
	ConnectTimeout time.Duration `yaml:"connect_timeout"` // to open a connection
	IdleTimeout    time.Duration `yaml:"idle_timeout"`    // between two parts of a body or of an upgraded stream
	MaxBody        value.Size    `yaml:"max_body"`        // of a request, counted while it streams; larger bodies get 413
}

// HeaderRules change the headers of a message. They first remove, then set, then add.
type HeaderRules struct {
	Set    map[string]HeaderValue `yaml:"set"`    // replaces all values of the header
	Add    map[string]HeaderValue `yaml:"add"`    // adds a value, behind those of others
	Remove []string               `yaml:"remove"` // removes the values of others
}

// TableHeaders are the HeaderRules of a whole table. They may be written as a mapping of
// headers to set, whose values have no placeholders.
type TableHeaders HeaderRules

// Rules returns the rules, or nil for nil.
func (h *TableHeaders) Rules() *HeaderRules { return (*HeaderRules)(h) }

// Switch is true or false, which may also be written off.
type Switch bool

// Rewrite replaces the path of a request that From matches. Other paths stay.
type Rewrite struct {
	From string `yaml:"from"` // an expression (RE2) for the whole canonical path; see pathexp.Parse
	To   string `yaml:"to"`   // the path instead, with groups $1 to $9; see pathexp.ParseTemplate
}

// IsOpen reports whether callers without a credential pass.
func (r *Route) IsOpen() bool { return r.Auth.IsOpen() && r.Basic.File == "" }

// Basic is HTTP Basic authentication (RFC 7617) with the users of a file.
type Basic struct {
	// File is the path of an htpasswd file, as that of Respond. "" means none.
	File string
	// Folder is that of the included file that has the path; "" in the table
	// itself.
	Folder string
}

// Redirect answers requests with the address to ask instead.
type Redirect struct {
	// To is a path or an http or https URL. {rest} stands for the path behind
	// the route's prefix, {host} for the host of the request. Without {rest},
	// that path is added to the path of To. The query of the request is added.
	// When To has a query, even an empty one, nothing is added.
	To     string       `yaml:"to" plain:"!!str"`
	Status value.Status `yaml:"status" plain:"!!int"` // one of RedirectStatuses
}

// Respond is a fixed answer to requests. At most one of Body and File is set.
type Respond struct {
	Status value.Status `yaml:"status" plain:"!!int"`
	Body   string       `yaml:"body"`
	// File is a path, absolute or relative to the folder of the file that names
	// it. A relative path does not leave that folder, also not through a link.
	File string `yaml:"file" plain:"!!str"`
	// Folder is the folder of the included file that has the answer; "" in the
	// table itself.
	Folder      string            `yaml:"-"`
	ContentType string            `yaml:"content_type"` // "": by the extension of File, or text/plain
	Headers     map[string]string `yaml:"headers"`
}

// TLS configures TLS to an https backend. The server's certificate is always
// verified.
type TLS struct {
	CA         string `yaml:"ca"`          // PEM file of the authorities to trust instead of the system's
	Cert       string `yaml:"cert"`        // PEM file of the gateway's client certificate
	Key        string `yaml:"key"`         // PEM file of its key
	ServerName string `yaml:"server_name"` // verified instead of the backend's host
	// Folder is the folder of the included file that has these paths, which
	// they are relative to and do not leave. It is "" in the table itself, whose
	// paths are relative to the folder in which the gateway was started.
	Folder string `yaml:"-"`
}
