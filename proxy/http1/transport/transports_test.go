package transport_test

import (
	"context"
	"net"
	"net/http"
	"time"

	"gatehouse/proxy/http1/transport"
)

// Gatehouse's own limits, for tests that set no others.
const (
	maxHeaderBytes = 256 << 10
	idleLife       = 90 * time.Second
	maxIdle        = 64
)

// bounds are the limits that a test changes; the zero value means Gatehouse's.
type bounds struct {
	maxConns, maxIdle int
	idleTimeout       time.Duration
	dial              func(ctx context.Context, network, address string) (net.Conn, error)
}

// lane is one of the transports under test.
type lane struct {
	name string
	make func(bounds) testedTransport
	// watches says that a goroutine reads from idle connections. So the transport
	// notices what the backend does to one before the connection is used again.
	watches bool
}

// transports lists the transports that the suite tests. The first is the reference.
func transports() []lane {
	return []lane{
		{name: "standard", make: func(b bounds) testedTransport { return standard(b) }, watches: true},
		{name: "lean", make: func(b bounds) testedTransport { return leanLane(b) }},
	}
}

// leanLane is our transport, on top of the standard one.
func leanLane(b bounds) *transport.Transport {
	below := b
	below.maxConns = 0
	return transport.New(transport.Options{
		Dial: b.dial, Standard: standard(below),
		MaxConns: b.maxConns, MaxIdle: b.maxIdle, IdleTimeout: b.idleTimeout, MaxHeaderBytes: maxHeaderBytes,
	})
}

// standard is net/http's transport as Gatehouse configures it.
func standard(b bounds) *http.Transport {
	return &http.Transport{
		DialContext:            b.dial,
		DisableCompression:     true,
		MaxConnsPerHost:        b.maxConns,
		MaxIdleConnsPerHost:    b.maxIdle,
		IdleConnTimeout:        b.idleTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}
