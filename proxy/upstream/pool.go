package upstream

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"syscall"
	"time"

	"gatehouse/config"
	"gatehouse/config/textfile"
	"gatehouse/proxy/http1/transport"
)

// Pool shares connections between routes and between tables. Routes that reach their
// backends in the same way use one transport. After a reload, they still use it.
type Pool struct {
	options PoolOptions

	mu   sync.Mutex
	live Set // the transports of the live table
}

// key contains everything in which two transports can differ. It has the content of the
// files of a route's `tls`, so that a renewed certificate makes a new transport.
type key struct {
	lean          bool // a transport of http1/transport, for HTTP/1.1 without TLS
	protocol      config.Protocol
	connect       time.Duration
	ca, cert, key string // PEM; "" means none
	serverName    string
}

// Set contains the transports and client certificates of one table. The zero value is
// empty.
type Set struct {
	transports map[key]transport.RoundTripCloser // each a Transport of this package or of http1/transport
	presented  []Presented
}

// Presented returns the certificates that the table's routes show to backends. They were
// read when the table was compiled.
func (s Set) Presented() []Presented { return s.presented }

// PoolOptions configure a Pool.
type PoolOptions struct {
	MaxConns int  // connections to one backend; 0 means no limit
	MaxIdle  int  // idle connections to one backend
	Standard bool // use http.Transport also for HTTP/1.1 without TLS, instead of http1/transport

	IdleTimeout time.Duration // after which an idle connection is closed; 0 means no limit
	MaxAge      time.Duration // after which a connection gets no new requests; 0 means no limit

	// WriteErrorWait is how long a failed write waits until the answer is read; 0 means
	// 1 second. Tests set more.
	WriteErrorWait time.Duration

	// Control is called before a connection is opened, like the Control of a
	// net.Dialer. It may be nil.
	Control func(network, address string, conn syscall.RawConn) error
}

// NewPool returns an empty Pool.
func NewPool(o PoolOptions) *Pool { return &Pool{options: o} }

// Get returns the transport for a route and adds it to set. It takes the transport from
// set or from the live set, or makes a new one. It reads the route's TLS files and
// returns an error when they are unusable. It opens no connection.
func (p *Pool) Get(set *Set, r *config.Route) (transport.RoundTripCloser, error) {
	k, err := keyOf(r)
	if err != nil {
		return nil, err
	}
	k.lean = !p.options.Standard && r.Backend.First().Scheme == "http" && r.Protocol != config.ProtocolH2C
	found := set.transports[k]
	if found == nil {
		if found, err = p.liveOrNew(k); err != nil {
			return nil, err
		}
		if set.transports == nil {
			set.transports = map[key]transport.RoundTripCloser{}
		}
		set.transports[k] = found
	}
	set.present(r.Name, k.cert)
	return found, nil
}

func (p *Pool) liveOrNew(k key) (transport.RoundTripCloser, error) {
	p.mu.Lock()
	found := p.live.transports[k]
	p.mu.Unlock()
	if found != nil {
		return found, nil
	}
	return p.newTransport(k)
}

// keyOf returns the key of a route's transport. It reads the files of the route's
// `tls`.
func keyOf(r *config.Route) (key, error) {
	k := key{protocol: r.Protocol, connect: r.ConnectTimeout, serverName: discoveredName(r)}
	if r.TLS == nil {
		return k, nil
	}
	k.serverName = cmp.Or(r.TLS.ServerName, k.serverName)
	for _, file := range []struct {
		name, path string
		into       *string
	}{
		{"tls.ca", r.TLS.CA, &k.ca},
		{"tls.cert", r.TLS.Cert, &k.cert},
		{"tls.key", r.TLS.Key, &k.key},
	} {
		if file.path == "" {
			continue
		}
		pem, err := readPEM(r.TLS.Folder, file.path)
		if err != nil {
			return k, fmt.Errorf("read %s: %w", file.name, err)
		}
		if len(pem) == 0 {
			return k, fmt.Errorf("read %s: %s is empty", file.name, file.path)
		}
		*file.into = string(pem)
	}
	return k, nil
}

// discoveredName returns the name that is verified of servers with TLS that are found by
// their addresses: the name that was looked up. For others it returns "".
func discoveredName(r *config.Route) string {
	if r.Backend.IsURL() || len(r.Backend.Shares) != 1 {
		return ""
	}
	if d := r.Backend.Shares[0].Backend.Discover; d != nil && d.URL != nil && d.URL.Scheme == "https" {
		return d.URL.Hostname()
	}
	return ""
}

// readPEM reads a file that a route names. folder is that of the included file which has
// the route, or "".
func readPEM(folder, path string) ([]byte, error) {
	if folder == "" {
		return textfile.Read(path)
	}
	return textfile.ReadTextBelow(folder, path)
}

// AuthoritiesDigest reads the file of `tls.ca` and returns a short digest, to compare it with
// another. It returns "" without the file, and for the file of a table itself: every table
// of a process names it relative to the same folder.
func AuthoritiesDigest(tls *config.TLS) string {
	if tls == nil || tls.CA == "" || tls.Folder == "" {
		return ""
	}
	pem, err := readPEM(tls.Folder, tls.CA)
	if err != nil { // no transport can be made either
		return ""
	}
	sum := sha256.Sum256(pem)
	return hex.EncodeToString(sum[:4])
}

// Activate makes set the live set. It closes the idle connections of every transport
// that only the old set used. Running requests finish.
func (p *Pool) Activate(set Set) {
	p.mu.Lock()
	old := p.live
	p.live = set
	p.mu.Unlock()
	for k, transport := range old.transports {
		if set.transports[k] != transport {
			transport.CloseIdleConnections()
		}
	}
}

// CloseIdle closes the idle connections to a server. Running requests finish.
func (p *Pool) CloseIdle(scheme, host string) {
	p.mu.Lock()
	live := p.live
	p.mu.Unlock()
	for _, of := range live.transports {
		if closer, ok := of.(interface{ CloseIdleTo(scheme, host string) }); ok {
			closer.CloseIdleTo(scheme, host)
		}
	}
}
