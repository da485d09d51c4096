package store

// This file updates the schema with the SQL files in migrations/, and checks
// whether it is current. goose applies the files and records them in a table.

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
)

// versionTable is the table in which goose records what it has applied.
const versionTable = "gatehouse_migrations"

// maxDuplicates is how many e-mails a DuplicateEmailsError lists.
const maxDuplicates = 10

//go:embed migrations
var migrationFiles embed.FS

// DuplicateEmailsError means that the original gateway's table has users whose
// e-mails differ only in case, so that a login would be ambiguous. The
// migration that found them changed nothing.
type DuplicateEmailsError struct {
	Emails []string // in groups of two or more, the first few
	More   bool     // there are more
}

// Error implements error.
func (e *DuplicateEmailsError) Error() string {
	list := strings.Join(e.Emails, ", ")
	if e.More {
		list += ", …"
	}
	return "these users' e-mails differ only in case: " + list +
		"; nothing was changed: give all but one of each another e-mail, or delete them, and migrate again"
}

// CheckSchema returns an error with instructions when the store's schema is
// older than this program needs. It only reads, so it works for a database user
// who may not create tables. A newer schema is fine: a replica may start in the
// middle of an update.
func CheckSchema(ctx context.Context, store Store) error {
	pending, err := store.Pending(ctx)
	if err != nil {
		return err
	}
	if len(pending) > 0 {
		return fmt.Errorf("check schema of %s: not applied: %s; run `gatehouse migrate` as a database user who may create tables",
			store.Address(), strings.Join(pending, ", "))
	}
	return nil
}

// Migrate implements Store.
func (s *sqlStore) Migrate(ctx context.Context) ([]string, error) {
	files, err := fs.Sub(migrationFiles, s.dialect().migrations)
	if err != nil {
		return nil, fmt.Errorf("open migrations: %w", err)
	}
	db, release, err := s.migrationDB(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	provider, err := goose.NewProvider(s.dialect().goose, db, files,
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("open migrations: %w", err)
	}
	var applied []string
	for {
		results, err := provider.Up(ctx)
		if err == nil {
			return append(applied, migrationNames(results)...), s.restoreTriggers(ctx, db)
		}
		partial := new(goose.PartialError)
		if !errors.As(err, &partial) {
			return applied, fmt.Errorf("migrate %s: %w", s.Address(), err)
		}
		applied = append(applied, migrationNames(partial.Applied)...)
		if !s.appliedByOther(ctx, partial) {
			return applied, s.explainMigration(ctx, db, partial)
		}
	}
}

// appliedByOther reports whether another process was faster with the migration
// that failed. This can happen once for each migration; the rest must still be
// applied.
func (s *sqlStore) appliedByOther(ctx context.Context, partial *goose.PartialError) bool {
	if !s.isUniqueViolation(partial.Err) {
		return false
	}
	pending, err := s.Pending(ctx)
	return err == nil && !slices.Contains(pending, path.Base(partial.Failed.Source.Path))
}

// explainMigration converts an error of goose into one that helps the operator.
func (s *sqlStore) explainMigration(ctx context.Context, db *sql.DB, partial *goose.PartialError) error {
	err := partial.Err
	if s.isUniqueViolation(err) {
		if duplicates, findErr := duplicateEmails(ctx, db); findErr == nil && duplicates != nil {
			err = duplicates
		}
	}
	return fmt.Errorf("migrate %s: apply %s: %w", s.Address(), path.Base(partial.Failed.Source.Path), err)
}

// duplicateEmails returns nil when no e-mails differ only in case.
func duplicateEmails(ctx context.Context, db *sql.DB) (*DuplicateEmailsError, error) {
	rows, err := db.QueryContext(ctx, `SELECT email FROM users
		WHERE lower(email) IN (SELECT lower(email) FROM users GROUP BY lower(email) HAVING count(*) > 1)
		ORDER BY lower(email), email LIMIT $1`, maxDuplicates+1)
	if err != nil {
		return nil, fmt.Errorf("find duplicate e-mails: %w", err)
	}
	var emails []string
	err = visitAll(rows, func(r row) error {
		emails = append(emails, "")
		return r.Scan(&emails[len(emails)-1])
	})
	if err != nil || len(emails) == 0 {
		return nil, err
	}
	return &DuplicateEmailsError{
		Emails: emails[:min(len(emails), maxDuplicates)],
		More:   len(emails) > maxDuplicates,
	}, nil
}

// Pending implements Store. It does not use goose, which would create its
// table.
func (s *sqlStore) Pending(ctx context.Context) ([]string, error) {
	applied, err := s.appliedMigrations(ctx)
	if err != nil {
		return nil, fmt.Errorf("read schema version of %s: %w", s.Address(), err)
	}
	files, err := fs.ReadDir(migrationFiles, s.dialect().migrations)
	if err != nil {
		return nil, fmt.Errorf("open migrations: %w", err)
	}
	var pending []string
	for _, file := range files {
		version, err := goose.NumericComponent(file.Name())
		if err != nil {
			return nil, fmt.Errorf("open migrations: %w", err)
		}
		if !applied[version] {
			pending = append(pending, file.Name())
		}
	}
	return pending, nil
}

func (s *sqlStore) appliedMigrations(ctx context.Context) (map[int64]bool, error) {
	exists := false
	err := s.query(ctx, s.dialect().tableExists, []any{versionTable}, func(row) error {
		exists = true
		return nil
	})
	applied := map[int64]bool{}
	if err != nil || !exists {
		return applied, err
	}
	err = s.query(ctx, `SELECT version_id FROM `+versionTable+` WHERE is_applied`, nil, func(r row) error {
		var version int64
		if err := r.Scan(&version); err != nil {
			return err
		}
		applied[version] = true
		return nil
	})
	return applied, err
}

func migrationNames(results []*goose.MigrationResult) []string {
	var names []string
	for _, result := range results {
		names = append(names, path.Base(result.Source.Path))
	}
	return names
}
