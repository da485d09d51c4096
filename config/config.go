// The types of a route table: every key, with its Go type.

package config

import (
	"net/netip"
	"net/url"
	"time"

	"github.com/google/uuid"

	"gatehouse/config/problem"
	"gatehouse/config/value"
)

// Config is one route table after defaults and validation. It is immutable:
// whoever holds one may read it from any goroutine, and nobody writes to it.
type Config struct {
	// File is the path the table was read from, as the operator gave it.
	File string `yaml:"-"`
	// Hash names the table's content: the first 12 hexadecimal digits of the
	// SHA-256 of the file's bytes.
	Hash string `yaml:"-"`
	// Warnings are the problems that do not stop the table from being served.
	Warnings problem.List `yaml:"-"`

	// Name is what GET / and GET /health call the gateway.
	Name           string         `yaml:"name"`
	Identity       Identity       `yaml:"identity"`
	Users          Users          `yaml:"users"`
	Tokens         []Issuer       `yaml:"tokens" entry:"issuer,issuer"`
	CORS           *CORS          `yaml:"cors"` // nil when the file has none
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`
	Limits         Limits         `yaml:"limits"`
	// ResponseHeaders are set on every answer, over what a backend says.
	ResponseHeaders map[string]string `yaml:"response_headers"`
	Routes          []Route           `yaml:"routes" entry:"route,name"`
	Tests           []Test            `yaml:"tests" entry:"test"`
}

// Identity is which claims reach a backend, and under which header.
type Identity struct {
	// Headers maps a header to the claim whose value it carries. All of these
	// headers are removed from what clients send, on every route; when there are
	// none, those of DefaultIdentityHeaders are.
	Headers map[string]string `yaml:"headers"`
}

// Users configures the built-in users. `users: off` sets Off: a gateway that
// only verifies tokens, with no store, no login and no user check.
type Users struct {
	Off       bool        `yaml:"-"`
	Companies []uuid.UUID `yaml:"companies"` // may be joined, besides GATEWAY_DEFAULT_COMPANY_ID
	Join      Join        `yaml:"join"`
	// Grace is how long users are let pass by what was last known of them while
	// changes to them cannot be heard of.
	Grace time.Duration `yaml:"grace"`
}

// Join is which company a user may join through ensure-company.
type Join string

// The values of `users.join`.
const (
	JoinListed Join = "listed" // the default company and those in `users.companies`
	JoinAny    Join = "any"    // any company at all, as the original gateway did
)

// Issuer is somebody else whose tokens are accepted, besides those signed here.
type Issuer struct {
	Issuer     string            `yaml:"issuer"`     // the exact `iss` claim
	Keys       string            `yaml:"keys"`       // an https URL or a file; JWKS or PEM
	Audience   Audiences         `yaml:"audience"`   // one of them must be in `aud`; nil asks nothing
	Algorithms []string          `yaml:"algorithms"` // never guessed from the token
	Claims     map[string]string `yaml:"claims"`     // our name of a claim → the issuer's
}

// Audiences are the value of `audience`: one name, or a list of them.
type Audiences []string

// CORS is the cross-origin policy of the whole public listener.
type CORS struct {
	// Origins are exact origins or patterns: `*` stands for letters, digits
	// and hyphens within one label, `[0-9]` for one character of a class. A
	// single "*" is any origin, and cannot be combined with Credentials.
	Origins     []string      `yaml:"origins"`
	Credentials bool          `yaml:"credentials"`
	Expose      []string      `yaml:"expose"`
	MaxAge      time.Duration `yaml:"max_age"`
}

// Limits bound what clients may hold open. 0 is no bound. An IPv6 client is
// its /64; the connections of a trusted proxy are not a client's.
type Limits struct {
	Connections          value.Count `yaml:"connections"`            // to the public listener; further ones are closed
	ConnectionsPerClient value.Count `yaml:"connections_per_client"` // further ones are closed
	RequestsPerClient    value.Count `yaml:"requests_per_client"`    // at once, streams included; 429 past it
}

// Policy is what a route asks of a request before it is forwarded.
type Policy string

// The policies, from strictest to weakest.
const (
	PolicyStrict  Policy = "strict"  // a valid token with a company
	PolicyInitial Policy = "initial" // a valid token
	PolicyNone    Policy = "none"    // nothing
)

// Protocol is what the gateway speaks to a backend.
type Protocol string

// The values of `protocol`.
const (
	ProtocolAuto  Protocol = "auto"  // HTTP/1.1, or HTTP/2 where TLS negotiates it
	ProtocolHTTP1 Protocol = "http1" // HTTP/1.1 only
	ProtocolH2C   Protocol = "h2c"   // HTTP/2 without TLS (RFC 9113 section 3.3), as gRPC uses
)

// HandlerUsers is the only built-in handler a route may name.
const HandlerUsers = "users"

// Route sends the requests under one path prefix to one backend, or to a
// handler that is built in. Exactly one of Backend and Handler is set.
type Route struct {
	// Position is where the route begins in the file.
	Position problem.Position `yaml:"-"`

	Name    string   `yaml:"name"`   // unique; the label in metrics and logs
	Prefix  string   `yaml:"prefix"` // "/" or "/a/b", matched on segment boundaries
	Backend *url.URL `yaml:"backend"`
	Handler string   `yaml:"handler"`

	// What a request must look like, besides its prefix.
	Hosts   []string          `yaml:"hosts"`   // lower case, without port or brackets; "*.example.com" matches one label or more
	Methods []string          `yaml:"methods"` // upper case; others get 405; GET brings HEAD; empty is any
	Headers map[string]string `yaml:"headers"` // exact values, all of which must be there

	// Who may pass. A route with a Handler has no policy: its endpoints carry
	// their own, and Auth is "".
	Auth  Policy   `yaml:"auth"`
	Roles []string `yaml:"roles"` // empty is any role

	// How the request is forwarded.
	StripPrefix         bool     `yaml:"strip_prefix"`  // forward without the prefix
	PreserveHost        bool     `yaml:"preserve_host"` // send the client's Host, not the backend's
	ForwardToken        bool     `yaml:"forward_token"` // send Authorization on
	AllowEncodedSlashes bool     `yaml:"allow_encoded_slashes"`
	Protocol            Protocol `yaml:"protocol"`
	Upgrade             []string `yaml:"upgrade"` // lower case; what a client may switch to; empty is none
	TLS                 *TLS     `yaml:"tls"`     // nil when the file has none

	// Bounds. A duration of 0 is no bound, and so is a size of 0.
	Timeout        time.Duration `yaml:"timeout"`         // until the response headers, while the backend is awaited
	ConnectTimeout time.Duration `yaml:"connect_timeout"` // to open a connection
	IdleTimeout    time.Duration `yaml:"idle_timeout"`    // between two pieces of a body or of an upgraded stream
	MaxBody        value.Size    `yaml:"max_body"`        // of a request, counted while it streams; 413 past it
}

// TLS is how the gateway meets an https backend. The server's certificate is
// always verified.
type TLS struct {
	CA         string `yaml:"ca"`          // PEM file of the authorities to trust instead of the system's
	Cert       string `yaml:"cert"`        // PEM file of the gateway's client certificate
	Key        string `yaml:"key"`         // PEM file of its key
	ServerName string `yaml:"server_name"` // verified instead of the backend's host
}

// Test is an expectation that the file holds about itself.
type Test struct {
	Position problem.Position `yaml:"-"`

	Request string `yaml:"request"` // "METHOD target", such as "GET /api/v1/query/chats?limit=2"
	As      string `yaml:"as"`      // anonymous, newcomer (a token without a company) or member
	Expect  string `yaml:"expect"`  // a status, such as 401, or a route's name: it is let through to it
}
