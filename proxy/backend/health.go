package backend

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"gatehouse/config"
)

const (
	// checksAtOnce is how many health checks run at the same time in the whole process.
	checksAtOnce = 64
	// checkedBody is how much of the body of an answer to a check is read, in bytes.
	checkedBody = 64 << 10
	// firstCheck is the longest time until the first check of a server.
	firstCheck = time.Second
)

// checker checks one server until it is stopped.
type checker struct {
	server    *Server
	health    *config.Health
	base      string // path of the backend's URL
	transport http.RoundTripper
	slots     chan struct{} // one for each check that may run
	stop      context.CancelFunc
}

// syncChecks starts the checks of servers that are not checked yet, and stops those that are
// no longer wanted or have changed. It is called for a live backend.
func (b *Backend) syncChecks() {
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	wanted := map[*Server]bool{}
	if b.config.Health != nil {
		for _, m := range b.members() {
			wanted[m.server] = true
		}
	}
	for server, c := range b.state.checkers {
		if !wanted[server] || !reflect.DeepEqual(c.health, b.config.Health) || c.transport != b.transport {
			c.stop()
			delete(b.state.checkers, server)
		}
	}
	for server := range wanted {
		if b.state.checkers[server] != nil {
			continue
		}
		ctx, stop := context.WithCancel(context.Background())
		c := &checker{server: server, health: b.config.Health, base: b.base(), transport: b.transport, slots: b.state.registry.checks, stop: stop}
		b.state.checkers[server] = c
		go c.run(ctx)
	}
	if b.config.Health == nil {
		for _, m := range b.members() {
			m.server.setHealth(true, nil)
		}
	}
}

// stopChecks stops all checks of a backend. The caller holds mu.
func (s *state) stopChecks() {
	for server, c := range s.checkers {
		c.stop()
		delete(s.checkers, server)
	}
}

// run checks the server until ctx ends.
func (c *checker) run(ctx context.Context) {
	fails, passes := 0, 0
	wait := time.Duration(rand.Float64() * float64(min(firstCheck, c.health.Interval)))
	for c.sleep(ctx, wait) {
		if err := c.checkInTurn(ctx); ctx.Err() != nil {
			return
		} else if err != nil {
			fails, passes = fails+1, 0
			if fails >= int(c.health.Fails) {
				c.found(false, err)
			}
		} else {
			fails, passes = 0, passes+1
			if passes >= int(c.health.Passes) {
				c.found(true, nil)
			}
		}
		wait = time.Duration((0.9 + 0.2*rand.Float64()) * float64(c.health.Interval))
	}
}

// found records whether the server is up, unless the checker was stopped meanwhile. Without
// a checker nothing would correct a late result.
func (c *checker) found(up bool, why error) {
	of := c.server.of
	of.mu.Lock()
	defer of.mu.Unlock()
	if of.checkers[c.server] == c {
		c.server.setHealth(up, why)
	}
}

// sleep waits. It reports false when ctx has ended.
func (c *checker) sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// checkInTurn checks the server once, when not too many other checks run.
func (c *checker) checkInTurn(ctx context.Context) error {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, c.health.Timeout)
	defer cancel()
	if c.health.GRPC != nil {
		return c.checkGRPC(ctx, *c.health.GRPC)
	}
	return c.checkHTTP(ctx)
}

// request returns the request of a check.
func (c *checker) request(ctx context.Context, method, path string, body []byte) *http.Request {
	to := &c.server.Address
	r := (&http.Request{
		Method: method, URL: &url.URL{Scheme: to.Scheme, Host: to.Host, Opaque: path}, Host: to.Name,
		Header: http.Header{"User-Agent": {"gatehouse-health"}},
	}).WithContext(ctx)
	if body != nil {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	return r
}

// checkHTTP requests the path. It returns an error that says why the server does not pass.
func (c *checker) checkHTTP(ctx context.Context) error {
	res, err := c.transport.RoundTrip(c.request(ctx, http.MethodGet, c.base+c.health.Path, nil))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, checkedBody)); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if slices.ContainsFunc(c.health.Expect, func(r config.StatusRange) bool {
		return int(r.From) <= res.StatusCode && res.StatusCode <= int(r.To)
	}) {
		return nil
	}
	if location := res.Header.Get("Location"); location != "" {
		return fmt.Errorf("status %d, a redirect to %q", res.StatusCode, withoutQuery(location))
	}
	return fmt.Errorf("status %d", res.StatusCode)
}

// withoutQuery returns an address without its query, which may have secrets.
func withoutQuery(location string) string {
	target, err := url.Parse(location)
	if err != nil {
		return "an unreadable address"
	}
	target.RawQuery, target.Fragment, target.User = "", "", nil
	return target.String()
}

// grpcServing is the status of a healthy service in grpc.health.v1.HealthCheckResponse.
const grpcServing = 1

var errGRPCMessage = errors.New("the answer is not a HealthCheckResponse")

// checkGRPC asks the standard health service about a service (grpc.health.v1). "" asks
// about the whole server.
func (c *checker) checkGRPC(ctx context.Context, service string) error {
	var message []byte
	if service != "" {
		message = protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), service)
	}
	framed := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	r := c.request(ctx, http.MethodPost, "/grpc.health.v1.Health/Check", append(framed, message...))
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	res, err := c.transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, checkedBody))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	code := res.Trailer.Get("Grpc-Status")
	if code == "" {
		code = res.Header.Get("Grpc-Status") // an answer without a message
	}
	if code != "0" {
		return fmt.Errorf("gRPC status %s", strconv.Quote(code))
	}
	status, err := servingStatus(answer)
	if err != nil {
		return err
	}
	if status != grpcServing {
		return fmt.Errorf("gRPC service is not serving: status %d", status)
	}
	return nil
}

// servingStatus returns the status in a framed HealthCheckResponse.
func servingStatus(framed []byte) (status uint64, err error) {
	if len(framed) < 5 || framed[0] != 0 || int(binary.BigEndian.Uint32(framed[1:])) != len(framed)-5 {
		return 0, errGRPCMessage
	}
	for message := framed[5:]; len(message) > 0; {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return 0, errGRPCMessage
		}
		message = message[n:]
		if field == 1 && kind == protowire.VarintType {
			if status, n = protowire.ConsumeVarint(message); n < 0 {
				return 0, errGRPCMessage
			}
		} else if n = protowire.ConsumeFieldValue(field, kind, message); n < 0 {
			return 0, errGRPCMessage
		}
		message = message[n:]
	}
	return status, nil
}
