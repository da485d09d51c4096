// This file has the types of `backends:` and of a route's `backend`.

package config

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"gatehouse/config/problem"
	"gatehouse/config/value"
)

// Backend is a named backend: servers that answer the same requests, and how requests
// are divided among them.
type Backend struct {
	// Position is where the backend starts in the file.
	Position problem.Position `yaml:"-"`
	// Name is its key in `backends:`. It is the label in metrics, and with the address of
	// a server the name of what is learned about that server at run time.
	Name string `yaml:"-"`
	// Folder is that of the included file that has the backend, relative to that of the
	// table; "" in the table itself.
	Folder string `yaml:"-"`

	Share bool `yaml:"share"` // files of other owners may name it, too; see owners.go

	// Exactly one of Servers and Discover is set.
	Servers  []Server  `yaml:"servers" entry:"server"`
	Discover *Discover `yaml:"discover"`

	Balance Balance  `yaml:"balance"`
	Hash    *HashKey `yaml:"hash"`    // with BalanceHash; nil otherwise
	Sticky  *Sticky  `yaml:"sticky"`  // nil when the file has none
	Health  *Health  `yaml:"health"`  // nil when servers are not checked
	Passive *Passive `yaml:"passive"` // after Load nil only when it is off or there cannot be two servers
	Retry   *Retry   `yaml:"retry"`   // after Load nil only when it is off or there cannot be two servers

	// MaxRequests bounds the requests in flight, streams included; 0 means no bound. Past
	// it, MaxWaiting requests may wait for MaxWait.
	MaxRequests value.Count   `yaml:"max_requests"`
	MaxWaiting  value.Count   `yaml:"max_waiting"`
	MaxWait     time.Duration `yaml:"max_wait"`

	// How requests are forwarded, for routes that do not say it themselves. Nil means
	// that the backend does not say it either.
	Timeout        *time.Duration `yaml:"timeout"`
	ConnectTimeout *time.Duration `yaml:"connect_timeout"`
	IdleTimeout    *time.Duration `yaml:"idle_timeout"`
	Protocol       *Protocol      `yaml:"protocol"`
	PreserveHost   *bool          `yaml:"preserve_host"`
	TLS            *TLS           `yaml:"tls"`
}

// Server is one server of a Backend. All servers of a backend have the same scheme and
// the same path.
type Server struct {
	URL    *url.URL    `yaml:"url"`
	Weight value.Count `yaml:"weight"` // its share of the requests, among the servers' sum
}

// Discover finds servers by DNS. Exactly one of URL and SRV is set.
type Discover struct {
	// URL has a host name. Each of its addresses (A and AAAA) is a server.
	URL *url.URL `yaml:"url"`
	// SRV is a name such as _http._tcp.orders (RFC 2782). Its records give host names,
	// ports and weights; only those of the best priority are used. With the service
	// _https the servers have TLS.
	SRV string `yaml:"srv"`
	// Refresh is the time between two lookups.
	Refresh time.Duration `yaml:"refresh"`
}

// Balance is how a server is chosen.
type Balance string

// The values of `balance`.
const (
	BalanceP2C        Balance = "p2c"         // of two servers by chance, the one with fewer requests in flight
	BalanceRoundRobin Balance = "round_robin" // one after the other, by weight
	BalanceHash       Balance = "hash"        // the same server for the same key, by rendezvous hashing
)

// HashKey is what of a request chooses the server, or one side of a split. Exactly one
// field is set. A request without it is balanced as with p2c.
type HashKey struct {
	ClientIP bool   `yaml:"-"`
	Header   string `yaml:"header"`
	Cookie   string `yaml:"cookie"`
	Claim    string `yaml:"claim"`
}

// String returns the key as text, or "" for none.
func (h *HashKey) String() string {
	switch {
	case h == nil:
		return ""
	case h.ClientIP:
		return hashClientIP
	case h.Header != "":
		return "header " + h.Header
	case h.Cookie != "":
		return "cookie " + h.Cookie
	}
	return "claim " + h.Claim
}

// Sticky keeps a client at one server with a cookie.
type Sticky struct {
	Cookie string        `yaml:"cookie"` // its name
	TTL    time.Duration `yaml:"ttl"`    // its life; 0 means that of the browser's session
}

// Health is the active check of each server.
type Health struct {
	Path     string        `yaml:"path"` // requested with GET; "" with GRPC
	GRPC     *string       `yaml:"grpc"` // service for grpc.health.v1.Health/Check; "" asks about the whole server; nil for HTTP
	Interval time.Duration `yaml:"interval"`
	Timeout  time.Duration `yaml:"timeout"`
	Expect   []StatusRange `yaml:"expect" entry:"status"`
	Fails    value.Count   `yaml:"fails"`  // consecutive failures after which a server is down
	Passes   value.Count   `yaml:"passes"` // consecutive passes after which it is up again
}

// StatusRange is a range of statuses, such as 200-299, both ends included.
type StatusRange struct{ From, To value.Status }

// Passive ejects a server for a while when requests to it fail.
type Passive struct {
	Off        bool          `yaml:"-"`
	Fails      value.Count   `yaml:"fails"`       // consecutive failures after which it is ejected
	Eject      time.Duration `yaml:"eject"`       // for how long; doubled each further time, up to ten times of it
	MaxEjected Percent       `yaml:"max_ejected"` // share of the servers that may be ejected at the same time; never the last
}

// Retry sends a request again, to another server if there is one, while nothing of an
// answer has been given to the client.
type Retry struct {
	Off      bool          `yaml:"-"`
	Attempts value.Count   `yaml:"attempts"` // with the first one
	PerTry   time.Duration `yaml:"per_try"`  // bounds each attempt until its response header; 0 means only the route's timeout
	When     []RetryCause  `yaml:"when"`
	Methods  []string      `yaml:"methods"` // that may be sent again after something was sent; a failed connection is retried with every method
	Budget   Percent       `yaml:"budget"`  // retries among the requests of the last ten seconds; three a second are always allowed
}

// RetryCause is a reason to send a request again: connect, reset, timeout, or a status.
type RetryCause string

// The values of `retry.when` that are not a status (502, 503 or 504).
const (
	RetryConnect RetryCause = "connect" // no connection, or its TLS handshake failed; nothing was sent
	RetryReset   RetryCause = "reset"   // the connection ended before an answer
	RetryTimeout RetryCause = "timeout" // no answer in time
)

// Percent is a share of 100.
type Percent float64

// BackendRef is the value of a route's `backend`. Exactly one field is set.
type BackendRef struct {
	URL    *url.URL // of the only server, of a backend without a name
	Shares []Share  // named backends, sorted by name
}

// Share is the part of a route's requests that one named backend gets.
type Share struct {
	Name   string
	Weight value.Count // among the sum of the shares; 0 gets nothing

	// Load sets these two.

	Backend *Backend
	// Route is the route as it forwards to this backend: keys that the route does not
	// give are those of the backend, then those of `defaults:`.
	Route *Route
}

// IsURL reports whether the value is a URL.
func (b *BackendRef) IsURL() bool { return b != nil && b.URL != nil }

// Servers returns the URLs of all servers that requests may reach. For a backend with
// discovery it is the URL whose addresses are servers.
func (b *BackendRef) Servers() []*url.URL {
	if b == nil {
		return nil
	}
	if b.URL != nil {
		return []*url.URL{b.URL}
	}
	var all []*url.URL
	for _, share := range b.Shares {
		if share.Backend != nil {
			all = append(all, share.Backend.URLs()...)
		}
	}
	return all
}

// Servers returns the URLs of all servers that requests of the route may reach, and copies
// of them.
func (r *Route) Servers() []*url.URL {
	servers := r.Backend.Servers()
	if r.Mirror != nil {
		servers = append(servers, r.Mirror.Backend.Servers()...)
	}
	return servers
}

// First returns the URL of the first server, or nil for none. All servers of one backend
// have its scheme and its path.
func (b *BackendRef) First() *url.URL {
	if b == nil {
		return nil
	}
	for _, share := range b.Shares {
		if share.Backend != nil {
			return share.Backend.first()
		}
	}
	return b.URL
}

// first returns the first of URLs, or nil.
func (b *Backend) first() *url.URL {
	switch {
	case b.Discover != nil:
		return b.Discover.target()
	case len(b.Servers) > 0:
		return b.Servers[0].URL
	}
	return nil
}

// Label returns the value as a label of metrics: the host of a URL, or the names.
func (b *BackendRef) Label() string {
	switch {
	case b == nil:
		return ""
	case b.URL != nil:
		return b.URL.Host
	}
	names := make([]string, len(b.Shares))
	for i, share := range b.Shares {
		names[i] = share.Name
	}
	return strings.Join(names, ", ")
}

// URLs returns the URLs of the servers. For a backend with discovery it is one: with the
// host name that is looked up.
func (b *Backend) URLs() []*url.URL {
	if b.Discover != nil {
		return []*url.URL{b.Discover.target()}
	}
	urls := make([]*url.URL, len(b.Servers))
	for i := range b.Servers {
		urls[i] = b.Servers[i].URL
	}
	return urls
}

// target returns the URL whose host is looked up.
func (d *Discover) target() *url.URL {
	if d.URL != nil {
		return d.URL
	}
	if strings.HasPrefix(d.SRV, "_https.") {
		return &url.URL{Scheme: "https", Host: d.SRV}
	}
	return &url.URL{Scheme: "http", Host: d.SRV}
}

// String returns the value as text, without secrets: a URL, a name, or names with
// weights.
func (b *BackendRef) String() string {
	switch {
	case b == nil:
		return ""
	case b.URL != nil:
		return b.URL.Redacted()
	case len(b.Shares) == 1:
		return b.Shares[0].Name
	}
	parts := make([]string, len(b.Shares))
	for i, share := range b.Shares {
		parts[i] = share.Name + ": " + strconv.FormatInt(int64(share.Weight), 10)
	}
	return strings.Join(parts, ", ")
}

// Mirror sends a copy of some requests of a route to another backend. Its answers are
// thrown away.
type Mirror struct {
	Backend *BackendRef `yaml:"backend"` // a URL or one name
	Percent Percent     `yaml:"percent"` // of the requests

	// Route is the route as it forwards to this backend; see Share. Load sets it.
	Route *Route `yaml:"-"`
}

// String returns the mirror as text, without secrets, or "" for none.
func (m *Mirror) String() string {
	if m == nil {
		return ""
	}
	return m.Percent.String() + " to " + m.Backend.String()
}
