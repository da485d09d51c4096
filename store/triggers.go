package store

// This file checks whether the triggers exist that report changes to users, and
// restores them. They may have been dropped with the table, or disabled for a
// restore and not enabled again (issue 10).

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// triggersMissingError lists the triggers without which changes are not
// reported.
type triggersMissingError struct{ names []string }

// Error implements error.
func (e *triggersMissingError) Error() string {
	return "triggers on the table users are missing or switched off: " + strings.Join(e.names, ", ") +
		"; run `gatehouse migrate` as the owner of the table, which puts them back"
}

// missingTriggers returns nil or a *triggersMissingError, given the names of
// the working triggers.
func missingTriggers(d dialect, working []string) error {
	var missing []string
	for _, name := range d.triggers {
		if !slices.Contains(working, name) {
			missing = append(missing, name)
		}
	}
	if missing == nil {
		return nil
	}
	return &triggersMissingError{missing}
}

// restoreTriggers restores missing triggers in one transaction. It returns nil
// at once when none is missing.
func (s *sqlStore) restoreTriggers(ctx context.Context, db *sql.DB) error {
	working, err := workingTriggers(ctx, db, s.dialect())
	if err != nil {
		return fmt.Errorf("look for triggers in %s: %w", s.Address(), err)
	}
	missing := missingTriggers(s.dialect(), working)
	if missing == nil {
		return nil
	}
	statements, err := s.dialect().restoreTriggers(working)
	if err == nil {
		err = inTransaction(ctx, db, statements)
	}
	if err != nil {
		return fmt.Errorf("migrate %s: %w: %w", s.Address(), missing, err)
	}
	return nil
}

// queryer is a *sql.DB or a *sql.Conn.
type queryer interface {
	QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error)
}

func workingTriggers(ctx context.Context, db queryer, d dialect) (names []string, err error) {
	rows, err := db.QueryContext(ctx, d.workingTriggers)
	if err != nil {
		return nil, err
	}
	err = visitAll(rows, func(r row) error {
		names = append(names, "")
		return r.Scan(&names[len(names)-1])
	})
	return names, err
}

func inTransaction(ctx context.Context, db *sql.DB, statements []string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// postgresTriggers returns the migrations that create the triggers. Both may
// run again. pgx sends the text of a whole file unchanged.
func postgresTriggers([]string) ([]string, error) {
	var statements []string
	for _, name := range []string{"00002_revocation.sql", "00004_triggers_always.sql"} {
		text, err := migrationFiles.ReadFile("migrations/postgres/" + name)
		if err != nil {
			return nil, err
		}
		statements = append(statements, string(text))
	}
	return statements, nil
}

// createTrigger matches the statements in a migration that create triggers.
var createTrigger = regexp.MustCompile(`(?s)CREATE TRIGGER (\w+) .*?\nEND;`)

// sqliteTriggers returns the statements that create the triggers that do not
// work.
func sqliteTriggers(working []string) ([]string, error) {
	text, err := migrationFiles.ReadFile("migrations/sqlite/00002_revocation.sql")
	if err != nil {
		return nil, err
	}
	var statements []string
	for _, found := range createTrigger.FindAllStringSubmatch(string(text), -1) {
		if !slices.Contains(working, found[1]) {
			statements = append(statements, found[0])
		}
	}
	return statements, nil
}
