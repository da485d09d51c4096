package store

// This file waits for the database at the start, and checks later whether the
// database works for the gateway.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

const (
	firstPause = 100 * time.Millisecond
	lastPause  = 3 * time.Second
	// pingLimit ends an attempt without an answer, so that the next one may
	// find the database up.
	pingLimit = 5 * time.Second
)

// ErrNotWritable means that the database answers, but cannot be written: it is
// read-only, its disk is full, or rights are missing.
var ErrNotWritable = errors.New("the database cannot be written")

const (
	// writeInterval is how often CheckWritable really writes.
	writeInterval = 10 * time.Second
	// checkPing bounds the database's answer to a ping: first over a connection
	// that may be broken, then over another one.
	checkPing = 4 * time.Second
	// probeKey is the key of the written row. It is not a hash, and nothing is
	// counted under it.
	probeKey = "probe"

	// neverUpdates finds no row, and is refused where an update would be.
	neverUpdates = `UPDATE users SET last_login = last_login WHERE 1 = 0 RETURNING id`
)

// CheckWritable implements Store.
func (s *sqlStore) CheckWritable(ctx context.Context) error {
	pinging, cancel := context.WithTimeout(ctx, checkPing)
	defer cancel()
	if err := s.Ping(pinging); err != nil {
		return err
	}
	if _, err := s.UserByID(ctx, uuid.Nil); err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("read from database %s: %w", s.Address(), err)
	}
	err := s.exec(ctx, writes, neverUpdates, nil, ignoreRow)
	if now := s.now().Unix(); err == nil && now >= s.writeDue.Load() {
		err = s.exec(ctx, writes, probeWrite, []any{probeKey}, ignoreRow)
		if err == nil {
			s.writeDue.Store(now + int64(writeInterval/time.Second))
		}
	}
	if err != nil {
		return fmt.Errorf("write to database %s: %w: %w", s.Address(), ErrNotWritable, err)
	}
	return nil
}

// WaitReady pings the store until it answers. Its pauses grow and are random,
// so that replicas that start together do not ping at the same time. After
// limit it returns an error with the address and the last cause. When ctx ends
// first, it returns ctx's cause.
func WaitReady(ctx context.Context, store Store, limit time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var cause error
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := pingOnce(limited, store)
		if err == nil {
			return nil
		}
		// When our own deadline ends an attempt, the error of the attempt
		// before says more.
		if cause == nil || limited.Err() == nil {
			cause = err
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-limited.Done():
		}
		if ctx.Err() != nil {
			return fmt.Errorf("wait for database %s: %w", store.Address(), context.Cause(ctx))
		}
		if limited.Err() != nil {
			return fmt.Errorf("reach database %s within %s: %w", store.Address(), limit, cause)
		}
	}
}

func pingOnce(ctx context.Context, store Store) error {
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	return store.Ping(ctx)
}
