package store

// This file uses an SQLite file. Readers have connections of their own. All
// writes of this process use one connection, in transactions that first acquire
// the file's write lock (BEGIN IMMEDIATE). So a second process, such as a
// command beside the running gateway, delays writes but never makes them fail.

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// busyTimeout is how many milliseconds a connection waits for another process's
// write. Our writes take a few.
const busyTimeout = "10000"

type sqliteFile struct {
	path string

	reopening sync.Mutex // held while the file is reopened

	mu     sync.RWMutex
	opened *sqliteHandles
	lost   error // why path no longer leads to the opened file; nil while it does
}

// openSQLite opens the file whose path follows "sqlite:".
func openSQLite(ctx context.Context, path string) (engine, error) {
	path, err := sqlitePath(path)
	if err != nil {
		return nil, fmt.Errorf("read database URL: %w", err)
	}
	// SQLite would create it readable by all. Its -wal and -shm files get the
	// same mode.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open database file: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("open database file: %w", err)
	}
	s := &sqliteFile{path: path}
	if s.opened, err = openHandles(ctx, path); err != nil {
		return nil, fmt.Errorf("open database file %s: %w", path, err)
	}
	return s, nil
}

// sqlitePath returns the path as written, without the three slashes that other
// programs write before an absolute path.
func sqlitePath(path string) (string, error) {
	switch {
	case path == "":
		return "", fmt.Errorf("no file: %w", errURL)
	case strings.HasPrefix(path, ":memory:"):
		return "", errors.New("sqlite::memory: would be empty at every connection; name a file")
	case strings.Contains(path, "?"):
		return "", errors.New("sqlite: is followed by a path and no parameters")
	case strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///"):
		return "", errors.New("sqlite:// is followed by a host; write sqlite:data/file.db, or sqlite:/data/file.db from the root")
	}
	return filepath.Clean(path), nil
}

// Address implements Store.
func (s *sqliteFile) Address() string { return s.path }

// Ping implements Store. It reads the file; the driver's own ping does not.
func (s *sqliteFile) Ping(ctx context.Context) error {
	if err := s.checkReplaced(); err != nil {
		return fmt.Errorf("ping database %s: %w", s.path, err)
	}
	file, err := s.handles()
	if err != nil {
		return fmt.Errorf("ping database %s: %w", s.path, err)
	}
	var version int
	if err := file.reader.QueryRowContext(ctx, "PRAGMA schema_version").Scan(&version); err != nil {
		return fmt.Errorf("ping database %s: %w", s.path, err)
	}
	return nil
}

// Close implements Store.
func (s *sqliteFile) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened == nil {
		return nil
	}
	if err := s.opened.close(); err != nil {
		return fmt.Errorf("close database %s: %w", s.path, err)
	}
	return nil
}

func (s *sqliteFile) query(ctx context.Context, statement string, args []any, visit func(row) error) error {
	file, err := s.handles()
	if err != nil {
		return err
	}
	rows, err := file.reader.QueryContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	return visitAll(rows, visit)
}

// exec needs no time limit of its own: a file answers, or is locked for
// busyTimeout.
func (s *sqliteFile) exec(ctx context.Context, effect effect, statement string, args []any, visit func(row) error) error {
	if effect == reads {
		return s.query(ctx, statement, args, visit)
	}
	return s.write(ctx, statement, args, visit)
}

// write commits explicitly. A commit by closing the rows would hide its error.
func (s *sqliteFile) write(ctx context.Context, statement string, args []any, visit func(row) error) error {
	return s.transact(ctx, func(run runFunc) error { return run(ctx, statement, args, visit) })
}

func (s *sqliteFile) transact(ctx context.Context, do func(run runFunc) error) error {
	file, err := s.handles()
	if err != nil {
		return err
	}
	tx, err := file.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	err = do(func(ctx context.Context, statement string, args []any, visit func(row) error) error {
		rows, err := tx.QueryContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		return visitAll(rows, visit)
	})
	if err != nil {
		return err
	}
	return tx.Commit()
}

func visitAll(rows *sql.Rows, visit func(row) error) error {
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := visit(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *sqliteFile) isUniqueViolation(err error) bool {
	var refused *sqlite.Error
	if !errors.As(err, &refused) {
		return false
	}
	return refused.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || refused.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
}

func (s *sqliteFile) dialect() dialect {
	return dialect{
		goose:       goose.DialectSQLite3,
		migrations:  "migrations/sqlite",
		byBytes:     "COLLATE BINARY",
		revokedBy:   `max(%s, coalesce(strftime('%%Y-%%m-%%d %%H:%%M:%%f+00:00', tokens_valid_after, '+1 second'), ''))`,
		inList:      `IN (SELECT value FROM json_each($1))`,
		lockRow:     "", // a transaction that writes runs alone
		tableExists: `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = $1`,
		triggers: []string{
			"gatehouse_users_revoke", "gatehouse_users_tell_insert", "gatehouse_users_tell_delete", "gatehouse_users_tell_update",
		},
		workingTriggers: `SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'users'`,
		restoreTriggers: sqliteTriggers,
	}
}

// migrationDB returns the connection for writes. Another process may migrate at
// the same time. The unique version prevents a migration from being applied
// twice (see the first migration).
func (s *sqliteFile) migrationDB(context.Context) (*sql.DB, func(), error) {
	file, err := s.handles()
	if err != nil {
		return nil, nil, err
	}
	return file.writer, func() {}, nil
}
