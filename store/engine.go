package store

// This file lists the differences between PostgreSQL and SQLite. Statements are
// written once. Both databases understand $1 for the first argument.

import (
	"context"
	"database/sql"

	"github.com/pressly/goose/v3"
)

// engine runs statements on one database.
type engine interface {
	Address() string
	Ping(ctx context.Context) error
	Close() error

	// query runs a statement that only reads, and calls visit for each row,
	// without a time limit. It returns the first error of visit unchanged.
	query(ctx context.Context, statement string, args []any, visit func(row) error) error
	// exec runs a statement of few rows within a time limit. When the
	// connection failed and the effect allows it, exec runs the statement once
	// more, so visit may be called again from the first row. What the statement
	// wrote is durable when exec returns nil. While the database is known to be
	// down, exec fails at once.
	exec(ctx context.Context, effect effect, statement string, args []any, visit func(row) error) error
	// transact runs statements that write. All of them are kept when do returns
	// nil, and none otherwise. It does not run do again.
	transact(ctx context.Context, do func(run runFunc) error) error
	// isUniqueViolation reports whether err means that a unique value exists
	// already.
	isUniqueViolation(err error) bool

	// follow reports changes to the follower until it fails, and returns
	// whether it was ever connected.
	follow(ctx context.Context, follower Follower) (connected bool, err error)

	dialect() dialect
	// migrationDB returns a database/sql handle for migrations. Where the
	// database supports it, no other process migrates at the same time. The
	// caller must call release.
	migrationDB(ctx context.Context) (db *sql.DB, release func(), err error)
}

// effect describes the effect of running a statement twice, when it is unknown
// whether the first run succeeded.
type effect int

const (
	reads     effect = iota // nothing
	writes                  // the second run does no harm
	writeOnce               // the second run does harm: it happens only when the first one did nothing
)

// runFunc runs a statement and calls visit for each row of its result:
// engine.exec for one effect, or within a transaction.
type runFunc func(ctx context.Context, statement string, args []any, visit func(row) error) error

// row is a result row of either database.
type row interface {
	Scan(targets ...any) error
}

// dialect has the SQL that differs.
type dialect struct {
	goose goose.Dialect
	// migrations is the folder of the migration files.
	migrations string
	// byBytes makes ORDER BY compare bytes, so that both databases and every
	// locale agree.
	byBytes string
	// revokedBy is the SQL of the new tokens_valid_after when tokens are
	// revoked at the time %s. It is at least a second after the previous one,
	// because tokens count seconds.
	revokedBy string
	// lockRow makes a SELECT lock the row until the transaction ends.
	lockRow string
	// inList is a condition that $1, a JSON array of texts, contains the id.
	inList string
	// tableExists returns a row when the table named $1 exists.
	tableExists string
	// triggers are the triggers on users that the feed and revocation need.
	// workingTriggers returns the names of those that exist and fire.
	triggers        []string
	workingTriggers string
	// restoreTriggers returns the statements that restore the other triggers.
	restoreTriggers func(working []string) ([]string, error)
}
