package store

// This file says what PostgreSQL and SQLite differ in. Statements are written
// once, with $1 for the first argument, which both understand.

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

	// query runs a statement that only reads and hands visit each row as it
	// comes, for as long as that takes. It returns the first error of visit as it
	// is.
	query(ctx context.Context, statement string, args []any, visit func(row) error) error
	// exec runs a statement of few rows within a time limit. Where the connection
	// was at fault and the effect allows it, exec runs it once more: visit must
	// bear to be called again from the first row. What the statement wrote is
	// kept when exec returns nil. While the database is known not to answer it
	// fails at once.
	exec(ctx context.Context, effect effect, statement string, args []any, visit func(row) error) error
	// transact runs statements that write, all of which are kept when do returns
	// nil, and none otherwise. It is not run again.
	transact(ctx context.Context, do func(run runFunc) error) error
	// isUniqueViolation reports whether err is about a value that may stand in one
	// row only.
	isUniqueViolation(err error) bool

	// follow tells the follower of changes until it cannot any longer, and
	// reports whether it ever could.
	follow(ctx context.Context, follower Follower) (connected bool, err error)

	dialect() dialect
	// migrationDB returns a database/sql handle to run migrations through, alone
	// among all processes where the database can say so. The caller calls
	// release.
	migrationDB(ctx context.Context) (db *sql.DB, release func(), err error)
}

// effect is what a statement does, and what it means to run it twice when nobody
// knows whether the first time succeeded.
type effect int

const (
	reads     effect = iota // nothing
	writes                  // the second time does no harm
	writeOnce               // the second time does: it is not run again unless the first did nothing
)

// runFunc runs a statement and hands visit each row of its answer: engine.exec
// for one effect, or within a transaction.
type runFunc func(ctx context.Context, statement string, args []any, visit func(row) error) error

// row is a result row of either database.
type row interface {
	Scan(targets ...any) error
}

// dialect is the SQL that differs.
type dialect struct {
	goose goose.Dialect
	// migrations is the folder of the migrations' files.
	migrations string
	// byBytes makes ORDER BY compare bytes, so that both databases, and every
	// locale, agree.
	byBytes string
	// revokedBy is when tokens become good again that a change at the time %s
	// makes void: a second after the last time at least, since tokens count in
	// seconds.
	revokedBy string
	// lockRow makes a SELECT keep others from changing the row until the
	// transaction ends.
	lockRow string
	// inList is a condition on an id: that $1, a JSON array of texts, holds it.
	inList string
	// tableExists returns a row when the table named $1 exists.
	tableExists string
	// triggers are those on users that the feed and revocation need, and
	// workingTriggers returns the names of those that are there and fire.
	triggers        []string
	workingTriggers string
	// restoreTriggers returns the statements that put back the others.
	restoreTriggers func(working []string) ([]string, error)
}
