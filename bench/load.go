package main

// This file keeps connections busy: the load.

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// lateness is what a request may take beyond the end of a measurement.
const lateness = 15 * time.Second

// speech is what is said on a connection.
type speech interface {
	// open is said once, after the connection was made.
	open(c *connection) error
	// exchange is said again and again: a request and its answer. The turn chooses among several requests.
	exchange(c *connection, turn int) error
}

// connection is one to the gateway, used by one goroutine.
type connection struct {
	net.Conn
	reader *bufio.Reader
	closes bool // the gateway will close it after this answer
}

// load keeps a fixed number of connections busy: on each, a request follows when the answer is there.
type load struct {
	address     string
	tls         *tls.Config // nil for plain HTTP
	connections int
	buffer      int // bytes, for what is read on each
	speech      speech
}

// line is a connection, and how to have it again.
type line struct {
	load *load
	conn *connection
	turn int
}

// lines are open connections.
type lines []*line

// open makes the connections, and says on each what comes first.
func (l *load) open(ctx context.Context) (lines, error) {
	opened := make(lines, l.connections)
	errs := make([]error, l.connections)
	var busy sync.WaitGroup
	places := make(chan struct{}, 32) // at once; more would overrun a listener's queue
	for i := range opened {
		busy.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			// Each connection begins at another request.
			opened[i] = &line{load: l, turn: i * 7919}
			if errs[i] = opened[i].dial(ctx); errs[i] == nil {
				errs[i] = opened[i].exchange()
			}
		})
	}
	busy.Wait()
	for _, err := range errs {
		if err != nil {
			opened.close()
			return nil, err
		}
	}
	return opened, nil
}

func (l lines) close() {
	for _, one := range l {
		if one.conn != nil {
			_ = one.conn.Close()
		}
	}
}

// count is what a load has seen.
type count struct {
	requests, failed int64
	took             time.Duration
	latencies        latencies
	failure          error // one of them
}

// keepBusy sends requests for as long, or until there were as many (0: no bound). It fails only with the context, which
// ends the gateways too: what a gateway does wrong is counted.
func (l lines) keepBusy(ctx context.Context, length time.Duration, most int64) (*count, error) {
	begin := time.Now()
	end := begin.Add(length)
	var sent atomic.Int64
	counts := make([]count, len(l))
	var busy sync.WaitGroup
	for i, one := range l {
		_ = one.conn.SetDeadline(end.Add(lateness))
		busy.Go(func() {
			for now := time.Now(); now.Before(end) && ctx.Err() == nil; {
				if most > 0 && sent.Add(1) > most {
					return
				}
				now = one.measured(ctx, now, end, &counts[i])
			}
		})
	}
	busy.Wait()
	sum := &count{took: time.Since(begin)}
	for i := range counts {
		sum.requests += counts[i].requests
		sum.failed += counts[i].failed
		sum.latencies.merge(&counts[i].latencies)
		if counts[i].failure != nil {
			sum.failure = counts[i].failure
		}
	}
	return sum, ctx.Err()
}

// measured makes one exchange and gives the time at its end.
func (l *line) measured(ctx context.Context, begin, end time.Time, into *count) time.Time {
	err := l.exchange()
	now := time.Now()
	if err == nil {
		into.requests++
		into.latencies.add(now.Sub(begin))
	} else {
		into.failed++
		into.failure = err
	}
	if err != nil || l.conn.closes {
		if err := l.dial(ctx); err != nil {
			into.failure = err
			return end
		}
		_ = l.conn.SetDeadline(end.Add(lateness))
		return time.Now()
	}
	return now
}

func (l *line) exchange() error {
	l.turn++
	return l.load.speech.exchange(l.conn, l.turn)
}

// dial makes the connection, or makes it anew.
func (l *line) dial(ctx context.Context) error {
	if l.conn != nil {
		_ = l.conn.Close()
	}
	dialer := net.Dialer{Timeout: lateness}
	conn, err := dialer.DialContext(ctx, "tcp", l.load.address)
	if err != nil {
		return err
	}
	_ = conn.SetDeadline(time.Now().Add(lateness))
	if l.load.tls != nil {
		secured := tls.Client(conn, l.load.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return fmt.Errorf("shake hands: %w", err)
		}
		conn = secured
	}
	l.conn = &connection{Conn: conn, reader: bufio.NewReaderSize(conn, l.load.buffer)}
	return l.load.speech.open(l.conn)
}
