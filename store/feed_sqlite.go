package store

// This file notices changes in an SQLite file by polling.

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// pollInterval is the time between two polls. Polling an unchanged file takes
// microseconds and reads nothing of it.
const pollInterval = 100 * time.Millisecond

// follow polls on a connection of its own. The data version of a connection
// changes when other connections write, including those of this process.
func (s *sqliteFile) follow(ctx context.Context, follower Follower) (connected bool, err error) {
	conn, err := s.feedConn(ctx)
	if err != nil {
		return false, fmt.Errorf("watch database %s: %w", s.path, err)
	}
	defer func() { _ = conn.Close() }()
	eye := &sqliteFeed{file: s, conn: conn, dialect: s.dialect()}
	if _, err := eye.poll(ctx); err != nil {
		return false, fmt.Errorf("watch database %s: %w", s.path, err)
	}
	follower.Connected()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return true, ctx.Err()
		case <-tick.C:
		}
		changed, err := eye.poll(ctx)
		if err != nil {
			return true, fmt.Errorf("watch database %s: %w", s.path, err)
		}
		if changed {
			follower.AllChanged()
		}
	}
}

// feedConn connects to the file of that name, which may have been replaced.
func (s *sqliteFile) feedConn(ctx context.Context) (*sql.Conn, error) {
	if err := s.reopen(ctx); err != nil {
		return nil, err
	}
	file, err := s.handles()
	if err != nil {
		return nil, err
	}
	return file.reader.Conn(ctx)
}

// sqliteFeed is one connection that polls.
type sqliteFeed struct {
	file        *sqliteFile
	conn        *sql.Conn
	dialect     dialect
	version     int64 // changes with every write of other connections
	schema      int64 // the schema's version when the triggers were last checked
	changeCount int64 // the number of changes to users so far
}

// poll reports whether users changed since the last poll. It reads the version
// first: a write between the two reads is noticed twice, and never missed.
func (f *sqliteFeed) poll(ctx context.Context) (changed bool, err error) {
	if err := f.file.checkReplaced(); err != nil {
		return false, err
	}
	var version, counted int64
	if err := f.conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
		return false, err
	}
	if version == f.version {
		return false, nil
	}
	if err := f.checkTriggers(ctx); err != nil {
		return false, err
	}
	if err := f.conn.QueryRowContext(ctx, "SELECT counted FROM gatehouse_user_changes").Scan(&counted); err != nil {
		return false, err
	}
	changed = counted != f.changeCount
	f.version, f.changeCount = version, counted
	return changed, nil
}

// checkTriggers checks the triggers again when the schema has changed. A table
// that was created again has lost them.
func (f *sqliteFeed) checkTriggers(ctx context.Context) error {
	var schema int64
	if err := f.conn.QueryRowContext(ctx, "PRAGMA schema_version").Scan(&schema); err != nil {
		return err
	}
	if schema == f.schema {
		return nil
	}
	working, err := workingTriggers(ctx, f.conn, f.dialect)
	if err != nil {
		return err
	}
	f.schema = schema
	return missingTriggers(f.dialect, working)
}
