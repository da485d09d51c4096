package store

// This file chooses the database by its URL.

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// errURL lists the supported URLs.
var errURL = errors.New("want postgres://user:password@host:port/database or sqlite:path/to/file.db")

// Options configure Open. The zero value is valid.
type Options struct {
	// MaxConns bounds the connections to PostgreSQL; at least two are used.
	// With zero, the URL decides (pool_max_conns), and then pgxpool.
	MaxConns int
	// FeedURL is where Follow listens when the pool goes through a pooler in
	// transaction mode: the same database without the pooler. It is used for
	// PostgreSQL only. "" means the URL of Open.
	FeedURL string
	// StatementTimeout bounds a PostgreSQL statement. After it, the statement
	// runs once more over another connection; 0 means 3 seconds. The second
	// run, and a statement that must not run twice, may take two seconds
	// longer.
	StatementTimeout time.Duration
	// Now is the clock for created_at and updated_at; nil means time.Now.
	Now func() time.Time
}

// Open returns the Store of a URL: postgres://… (or postgresql://…) or
// sqlite:path/to/file.db. It does not contact a PostgreSQL server, so a server
// that is down is not an error here (see WaitReady). It creates a missing
// SQLite file, readable only by its owner. No error contains the URL's
// password.
func Open(ctx context.Context, url string, opts Options) (Store, error) {
	scheme, rest, _ := strings.Cut(url, ":")
	if opts.Now == nil {
		opts.Now = time.Now
	}
	var (
		opened engine
		err    error
	)
	switch scheme {
	case "postgres", "postgresql":
		opened, err = openPostgres(ctx, url, opts)
	case "sqlite":
		if opts.FeedURL != "" {
			return nil, errors.New("read database URL: only postgres:// has a feed URL")
		}
		opened, err = openSQLite(ctx, rest)
	default:
		return nil, unknownScheme(scheme)
	}
	if err != nil {
		return nil, err
	}
	return &sqlStore{engine: opened, now: opts.Now}, nil
}

// unknownScheme repeats the scheme only when it looks like one. The text before
// the first colon of a broken URL may be anything, even a password.
func unknownScheme(scheme string) error {
	if !regexp.MustCompile(`^[a-z][a-z0-9+.-]{0,30}$`).MatchString(scheme) {
		return fmt.Errorf("read database URL: no known scheme: %w", errURL)
	}
	return fmt.Errorf("read database URL: unknown scheme %q: %w", scheme, errURL)
}
