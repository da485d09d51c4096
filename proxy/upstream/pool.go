package upstream

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	"gatehouse/config"
	"gatehouse/config/textfile"
	"gatehouse/proxy/http1/transport"
)

// Pool shares connections between routes and between tables: routes that reach
// their backends in the same way use one transport, and a reload finds the one it
// had.
type Pool struct {
	options PoolOptions

	mu   sync.Mutex
	live Set // what the live table uses
}

// key is all in which two transports can differ. The files of a
// route's `tls` count by what they hold: a renewed certificate makes a new
// transport.
type key struct {
	lean          bool // of http1/transport, for plain-text HTTP/1.1
	protocol      config.Protocol
	connect       time.Duration
	ca, cert, key string // PEM; "" for none
	serverName    string
}

// Set is what one table uses. The zero value is empty.
type Set struct {
	transports map[key]transport.RoundTripCloser // each a Transport, or one of http1/transport
	presented  []Presented
}

// Presented returns the certificates that the table's routes show to backends, as
// they were read when it was compiled.
func (s Set) Presented() []Presented { return s.presented }

// PoolOptions say how backends are reached.
type PoolOptions struct {
	MaxConns int  // to one backend; 0 is no bound
	MaxIdle  int  // kept for reuse, to one backend
	Standard bool // http.Transport for plain-text HTTP/1.1, too, instead of http1/transport

	IdleTimeout time.Duration // of a connection that is kept for reuse; 0 is no bound
	MaxAge      time.Duration // of a connection that is given new requests; 0 is no bound

	// Control is called before a connection is opened, as that of a net.Dialer. It
	// may be nil.
	Control func(network, address string, conn syscall.RawConn) error
}

// NewPool makes an empty pool.
func NewPool(o PoolOptions) *Pool { return &Pool{options: o} }

// Get finds the transport for a route in the set that is being gathered or in
// the live one, or makes it. It reads the route's TLS files, connects to
// nothing and changes only the set.
func (p *Pool) Get(set *Set, r *config.Route) (transport.RoundTripCloser, error) {
	k, err := keyOf(r)
	if err != nil {
		return nil, err
	}
	k.lean = !p.options.Standard && r.Backend.Scheme == "http" && r.Protocol != config.ProtocolH2C
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

// keyOf reads the files of the route's `tls`.
func keyOf(r *config.Route) (key, error) {
	k := key{protocol: r.Protocol, connect: r.ConnectTimeout}
	if r.TLS == nil {
		return k, nil
	}
	k.serverName = r.TLS.ServerName
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
		pem, err := textfile.Read(file.path)
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

// Activate makes the set the live one, and closes the idle connections of every
// transport that the old one alone used. Requests under way finish.
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
