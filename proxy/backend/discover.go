package backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/config"
)

const (
	// maxFound bounds the servers that one lookup may find. The others are left out.
	maxFound = 1000
	// lookupTimeout bounds one lookup.
	lookupTimeout = 10 * time.Second
)

// Resolver looks up names, as a net.Resolver does.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
}

// lookups look up the servers of a backend until they are stopped.
type lookups struct {
	discover *config.Discover
	first    chan struct{} // closed when the first lookup has ended
	stop     context.CancelFunc
}

// Discovery is the state of the lookups of a backend, for operators.
type Discovery struct {
	Target string    // what is looked up
	Found  int       // servers that the last good lookup has found
	At     time.Time // the last good lookup; zero before the first
	Err    error     // of the last lookup; nil when it was good
}

// syncLookups starts or stops the lookups of a live backend.
func (b *Backend) syncLookups() {
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	running, wanted := b.state.lookups, b.config.Discover
	if running != nil && reflect.DeepEqual(running.discover, wanted) {
		return
	}
	if running != nil {
		running.stop()
		b.state.lookups = nil
		if wanted == nil || targetOf(running.discover) != targetOf(wanted) {
			b.state.found, b.state.awaited = nil, nil
		}
	}
	if wanted == nil {
		b.state.discovery = Discovery{}
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	b.state.lookups = &lookups{discover: wanted, first: b.state.firstLookup(), stop: stop}
	b.state.discovery.Target = targetOf(wanted)
	go b.state.lookUpRepeatedly(ctx, b.state.lookups)
}

func targetOf(d *config.Discover) string {
	if d.URL != nil {
		return d.URL.Redacted()
	}
	return d.SRV
}

// firstLookup returns the channel that is closed when servers were first looked up. The
// caller holds mu.
func (s *state) firstLookup() chan struct{} {
	if s.awaited == nil {
		s.awaited = make(chan struct{})
	}
	return s.awaited
}

// AwaitServers waits until the servers of the backend were looked up for the first time,
// for at most longest. It returns at once when they are known, or are listed in the table.
func (b *Backend) AwaitServers(ctx context.Context, longest time.Duration) {
	if b.config.Discover == nil {
		return
	}
	b.state.mu.Lock()
	known, first := b.state.found != nil, b.state.firstLookup()
	b.state.mu.Unlock()
	if known {
		return
	}
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case <-first:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// lookUpRepeatedly looks up the servers again and again until ctx ends.
func (s *state) lookUpRepeatedly(ctx context.Context, l *lookups) {
	for {
		found, err := s.registry.lookUp(ctx, l.discover)
		if ctx.Err() != nil {
			return
		}
		s.looked(l, found, err)
		timer := time.NewTimer(time.Duration((0.9 + 0.2*rand.Float64()) * float64(l.discover.Refresh)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// looked takes over the result of a lookup. A failed one keeps the servers.
func (s *state) looked(l *lookups, found []found, err error) {
	s.mu.Lock()
	if s.lookups != l { // stopped meanwhile
		s.mu.Unlock()
		return
	}
	before := s.discovery.Err
	s.discovery.Err = err
	changed := err == nil && !slices.Equal(s.found, found)
	if err == nil {
		s.found, s.discovery.Found, s.discovery.At = found, len(found), time.Now()
	}
	if changed {
		s.changed()
	}
	select {
	case <-l.first:
	default:
		close(l.first)
	}
	s.mu.Unlock()

	log := s.registry.log.With(slog.String("backend", s.name), slog.String("discover", targetOf(l.discover)))
	switch {
	case err != nil && before == nil:
		log.Warn("servers cannot be looked up; the last ones stay", slog.String("error", err.Error()))
	case err == nil && before != nil:
		log.Info("servers can be looked up again", slog.Int("servers", len(found)))
	}
	if changed {
		log.Info("servers changed", slog.Int("servers", len(found)))
		if len(found) == maxFound {
			log.Warn("too many addresses; the rest is not used", slog.Int("limit", maxFound))
		}
		if live := s.registry.Live().Get(s.name); live != nil && live.state == s {
			live.forgetOthers()
			live.syncChecks()
		}
	}
}

var errNothingFound = errors.New("the lookup has found no address")

// lookUp returns the servers that a lookup finds, sorted.
func (r *Registry) lookUp(ctx context.Context, d *config.Discover) (list []found, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	if d.URL != nil {
		list, err = r.lookUpAddresses(ctx, d)
	} else {
		list, err = r.lookUpSRV(ctx, d)
	}
	if err == nil && len(list) == 0 {
		err = errNothingFound
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b found) int { return cmp.Or(strings.Compare(a.Host, b.Host), cmp.Compare(b.Weight, a.Weight)) })
	list = slices.CompactFunc(list, func(a, b found) bool { return a.Address == b.Address })
	return list[:min(len(list), maxFound)], nil
}

// lookUpAddresses returns one server for each address of a host.
func (r *Registry) lookUpAddresses(ctx context.Context, d *config.Discover) ([]found, error) {
	addresses, err := r.resolver.LookupNetIP(ctx, "ip", d.URL.Hostname())
	if err != nil {
		return nil, fmt.Errorf("look up addresses: %w", err)
	}
	port := cmp.Or(d.URL.Port(), map[string]string{"http": "80", "https": "443"}[d.URL.Scheme])
	list := make([]found, 0, len(addresses))
	for _, address := range addresses {
		address = address.Unmap().WithZone("")
		if address.IsUnspecified() || address.IsMulticast() { // 0.0.0.0 would be the gateway's own host
			continue
		}
		host := net.JoinHostPort(address.String(), port)
		list = append(list, found{Address{Scheme: d.URL.Scheme, Host: host, Name: d.URL.Host}, 1})
	}
	return list, nil
}

// lookUpSRV returns the servers of the best priority (RFC 2782).
func (r *Registry) lookUpSRV(ctx context.Context, d *config.Discover) ([]found, error) {
	_, records, err := r.resolver.LookupSRV(ctx, "", "", d.SRV)
	if err != nil {
		return nil, fmt.Errorf("look up SRV records: %w", err)
	}
	scheme := "http"
	if strings.HasPrefix(d.SRV, "_https.") {
		scheme = "https"
	}
	var list []found
	for _, record := range records { // sorted by priority
		if record.Priority != records[0].Priority {
			break
		}
		if record.Target == "." || record.Port == 0 { // the service is not there (RFC 2782)
			continue
		}
		host := net.JoinHostPort(strings.TrimSuffix(record.Target, "."), strconv.Itoa(int(record.Port)))
		list = append(list, found{Address{Scheme: scheme, Host: host, Name: host}, max(1, int(record.Weight))})
	}
	return list, nil
}

// Discovery returns the state of the lookups. ok is false for a backend that lists its
// servers.
func (b *Backend) Discovery() (d Discovery, ok bool) {
	if b.config.Discover == nil {
		return Discovery{}, false
	}
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	return b.state.discovery, true
}

// stopLookups stops the lookups of a backend that no live table has. The caller holds mu.
func (s *state) stopLookups() {
	if s.lookups != nil {
		s.lookups.stop()
		s.lookups = nil
	}
}
