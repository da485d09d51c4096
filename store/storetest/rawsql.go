package storetest

// This file reaches a database as another program does, beside the store.

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// RawSQL returns a function that executes statements in the database with that
// URL, over a connection that is not the store's.
func RawSQL(t testing.TB, url string) func(statement string, args ...any) {
	t.Helper()
	var execute func(ctx context.Context, statement string, args ...any) error
	if strings.HasPrefix(url, "sqlite:") {
		db := OpenSQLite(t, url)
		execute = func(ctx context.Context, statement string, args ...any) error {
			_, err := db.ExecContext(ctx, statement, args...)
			return err
		}
	} else {
		conn := Connect(t, url)
		execute = func(ctx context.Context, statement string, args ...any) error {
			_, err := conn.Exec(ctx, statement, args...)
			return err
		}
	}
	return func(statement string, args ...any) {
		t.Helper()
		if err := execute(context.WithoutCancel(t.Context()), statement, args...); err != nil {
			t.Fatalf("execute %s: %v", statement, err)
		}
	}
}

// OpenSQLite opens the SQLite file of a URL, and closes it when the test ends. It
// waits for the store's locks.
func OpenSQLite(t testing.TB, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(url, "sqlite:")+"?_busy_timeout=10000")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Connect returns a connection to a PostgreSQL database, and closes it when the
// test ends. It serves cleanups too, when t.Context has ended.
func Connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(ctx) })
	return conn
}
