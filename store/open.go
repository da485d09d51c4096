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

// errURL says which URLs there are.
var errURL = errors.New("want postgres://user:password@host:port/database or sqlite:path/to/file.db")

// Options are what Open may be told besides the URL. The zero value is fine.
type Options struct {
	// MaxConns bounds the connections to PostgreSQL; at least two. Zero leaves
	// it to the URL (pool_max_conns), else to pgxpool.
	MaxConns int
	// FeedURL is where Follow listens, for a pool that goes through a pooler in
	// transaction mode: the same database, without the pooler. It is PostgreSQL's
	// alone; "" is the URL that Open is given.
	FeedURL string
	// StatementTimeout is how long PostgreSQL may take over a statement before it
	// is given up and run once more over another connection; 0 is 3 seconds. The
	// second time, and where it must not run twice, it may take two seconds longer.
	StatementTimeout time.Duration
	// Now is the clock for created_at and updated_at; time.Now when nil.
	Now func() time.Time
}

// Open returns the Store of a URL: postgres://… (or postgresql://…) or
// sqlite:path/to/file.db. A PostgreSQL server is first contacted when it is
// first asked, so a server that is down is no error here (see WaitReady). An
// SQLite file is created, readable by its owner only, when there is none.
// No error holds the URL's password.
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
			return nil, errors.New("read database URL: a feed's URL goes with postgres:// only")
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

// unknownScheme repeats the scheme only when it looks like one: what stands
// before the first colon of a broken URL may be anything, a password too.
func unknownScheme(scheme string) error {
	if !regexp.MustCompile(`^[a-z][a-z0-9+.-]{0,30}$`).MatchString(scheme) {
		return fmt.Errorf("read database URL: no known scheme: %w", errURL)
	}
	return fmt.Errorf("read database URL: unknown scheme %q: %w", scheme, errURL)
}
