package transport_test

import (
	"context"
	"net"
	"net/http"
	"time"

	"gatehouse/proxy/http1/transport"
)

// Gatehouse's own bounds, where a test asks for no other.
const (
	maxHeaderBytes = 256 << 10
	idleLife       = 90 * time.Second
	maxIdle        = 64
)

// bounds are what a test wants to be different; the zero value is Gatehouse's.
type bounds struct {
	maxConns, maxIdle int
	idleTimeout       time.Duration
	dial              func(ctx context.Context, network, address string) (net.Conn, error)
}

// lane is one of the transports under test.
type lane struct {
	name string
	make func(bounds) testedTransport
	// watches tells that a goroutine reads from idle connections, so what the
	// backend does to one is noticed before the connection is asked for.
	watches bool
}

// transports lists what the suite runs over. The first is the yardstick.
func transports() []lane {
	return []lane{
		{name: "standard", make: func(b bounds) testedTransport { return standard(b) }, watches: true},
		{name: "lean", make: func(b bounds) testedTransport { return leanLane(b) }},
	}
}

// leanLane is ours, above the other.
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
