package store

// This file opens an SQLite file, and notices when another file, such as a
// restored backup, replaces it (issue 10). A process that has a file open keeps
// using that file, whatever its name leads to.

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// sqliteHandles are the connections to one file.
type sqliteHandles struct {
	file           os.FileInfo // identifies the file
	reader, writer *sql.DB
	emptied        bool // its write-ahead log was moved into it, after it was replaced
}

// openHandles opens an existing file.
func openHandles(ctx context.Context, path string) (*sqliteHandles, error) {
	file, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	h := &sqliteHandles{file: file}
	// The write-ahead log lets readers continue during a write. It is a
	// property of the file, so one connection sets it once.
	if h.writer, err = openSQL(path, "_journal_mode=WAL&_txlock=immediate"); err == nil {
		h.writer.SetMaxOpenConns(1)
		if err = h.writer.PingContext(ctx); err == nil {
			h.reader, err = openSQL(path, "_query_only=1")
		}
	}
	if err != nil {
		_ = h.close()
		return nil, err
	}
	return h, nil
}

func openSQL(path, options string) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	name := url.URL{
		Scheme: "file",
		Path:   filepath.ToSlash(absolute),
		RawQuery: "mode=rw&_busy_timeout=" + busyTimeout +
			"&_foreign_keys=1&_dqs=0&_time_format=sqlite&_timezone=UTC&" + options,
	}
	return sql.Open("sqlite", name.String())
}

// close closes the writer last. The last connection to close empties the
// write-ahead log, which a reader may not do.
func (h *sqliteHandles) close() error {
	var errs []error
	for _, db := range []*sql.DB{h.reader, h.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// handles returns the connections to the file, or why the file is gone.
func (s *sqliteFile) handles() (*sqliteHandles, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.opened, s.lost
}

// checkReplaced compares the open file with the file of that name. Once they
// differ, nothing more is read or written.
func (s *sqliteFile) checkReplaced() error {
	opened, lost := s.handles()
	now, err := os.Stat(s.path)
	switch {
	case err != nil:
		err = fmt.Errorf("the file is gone: %w", err)
	case !os.SameFile(now, opened.file):
		err = errors.New("another file has taken the place of the one that is open")
	case lost == nil:
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened == opened { // not reopened meanwhile
		s.lost = err
	}
	return err
}

// retireInterval is the time between two checks whether all connections are
// closed.
const retireInterval = 10 * time.Millisecond

// reopen opens the file that replaced the open one. The write-ahead log is
// found by the file's name, so the log of the old file would be read as part of
// the new one. Therefore the content of the log is first moved into the old
// file, and the old file is closed. If that fails, the store stays lost, and
// the next try may succeed.
func (s *sqliteFile) reopen(ctx context.Context) error {
	s.reopening.Lock()
	defer s.reopening.Unlock()
	if s.checkReplaced() == nil {
		return nil
	}
	if _, err := os.Stat(s.path); err != nil {
		return fmt.Errorf("the file is gone: %w", err)
	}
	old, _ := s.handles()
	if err := old.retire(ctx); err != nil {
		return fmt.Errorf("close the file that was replaced: %w", err)
	}
	opened, err := openHandles(ctx, s.path)
	if err != nil {
		return fmt.Errorf("open the file that took its place: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened, s.lost = opened, nil
	return nil
}

// retire moves the content of the write-ahead log into the file, and returns
// when no connection is open.
func (h *sqliteHandles) retire(ctx context.Context) error {
	if !h.emptied {
		var busy, frames, moved int
		err := h.writer.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved)
		if err != nil {
			return err
		}
		if busy != 0 {
			return errors.New("its write-ahead log is in use")
		}
		h.emptied = true
	}
	if err := h.close(); err != nil {
		return err
	}
	for h.reader.Stats().OpenConnections+h.writer.Stats().OpenConnections > 0 {
		select {
		case <-time.After(retireInterval):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
