package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"gatehouse/proxy"
)

// validityCheck is how often certificates are checked in any case, since the
// clock may have been changed.
const validityCheck = time.Minute

// servedCertificate is the name of the public listener's certificate.
const servedCertificate = "GATEWAY_TLS_CERT_FILE"

// validity is when a certificate and its whole chain are valid.
type validity struct{ from, to time.Time }

// certificates tracks the validity of the certificates that the gateway serves
// to clients and presents to backends. It logs when one is not valid.
type certificates struct {
	log *slog.Logger

	mu        sync.Mutex
	served    map[string]validity
	presented map[string]validity
	logged    map[string]validity // certificates that were logged as invalid
	changed   chan struct{}       // of capacity 1
}

func newCertificates(log *slog.Logger) *certificates {
	return &certificates{log: log, changed: make(chan struct{}, 1), logged: map[string]validity{}}
}

// setServed sets the certificate that is served to clients from now on.
func (c *certificates) setServed(pair *tls.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.served = map[string]validity{servedCertificate: validityOf(pair.Certificate)}
	c.notify()
}

// setPresented sets the table whose certificates are presented from now on.
func (c *certificates) setPresented(table *proxy.Table) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.presented = map[string]validity{}
	for _, each := range table.Presented() {
		c.presented[fmt.Sprintf("route %s: tls.cert", each.Route)] = validityOf(each.Chain)
	}
	c.notify()
}

func (c *certificates) notify() {
	select {
	case c.changed <- struct{}{}:
	default: // a check is requested already
	}
}

// validityOf returns when all certificates of a chain are valid.
func validityOf(chain [][]byte) (v validity) {
	for _, der := range chain {
		each, err := x509.ParseCertificate(der)
		if err != nil { // crypto/tls uses only the first certificate, which it has parsed
			continue
		}
		if v.to.IsZero() || each.NotAfter.Before(v.to) {
			v.to = each.NotAfter
		}
		if each.NotBefore.After(v.from) {
			v.from = each.NotBefore
		}
	}
	return v
}

// expiries returns when each certificate expires.
func (c *certificates) expiries() map[string]time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string]time.Time{}
	for _, each := range []map[string]validity{c.served, c.presented} {
		for name, v := range each {
			found[name] = v.to
		}
	}
	return found
}

// watch logs each invalid certificate once, until the context ends.
func (c *certificates) watch(ctx context.Context) {
	for {
		next := time.NewTimer(c.check(time.Now()))
		select {
		case <-ctx.Done():
			next.Stop()
			return
		case <-c.changed:
		case <-next.C:
		}
		next.Stop()
	}
}

// check checks all certificates and returns when to check again.
func (c *certificates) check(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := maps.Clone(c.served)
	if all == nil {
		all = map[string]validity{}
	}
	maps.Copy(all, c.presented)
	maps.DeleteFunc(c.logged, func(name string, v validity) bool { return all[name] != v })
	again := validityCheck
	for name, v := range all {
		early, late := now.Before(v.from), !now.Before(v.to)
		if !early && !late {
			again = min(again, v.to.Sub(now)+time.Millisecond)
			delete(c.logged, name)
			continue
		}
		if c.logged[name] == v {
			continue
		}
		c.logged[name] = v
		log := c.log.With("name", name, "not_before", v.from.Format(time.RFC3339), "not_after", v.to.Format(time.RFC3339))
		if early {
			log.Error("a certificate is not valid yet: clients and backends that check it refuse it")
		} else {
			log.Error("a certificate has expired: clients and backends that check it refuse it")
		}
	}
	return again
}
