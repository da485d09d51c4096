package store_test

// This file tests that unusual changes are reported, too, and that a feed
// without its triggers reports this (issue 10).

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/store"
	"gatehouse/store/storetest"
)

// TestFollowReplicaRole changes rows in the same way as logical replication and
// restores.
func TestFollowReplicaRole(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	s, ann, l := followed(t, url)
	raw := storetest.Connect(t, url)
	for _, statement := range []string{
		"SET session_replication_role = replica; UPDATE users SET is_active = false",
		"UPDATE users SET hashed_password = 'y'",
	} {
		execute(t, raw, statement)
		l.AwaitChange(t, statement, ann.ID)
	}
	if user, err := s.UserByID(t.Context(), ann.ID); err != nil || user.TokensValidAfter == nil {
		t.Errorf("after another password: tokens valid after %v, %v", user.TokensValidAfter, err)
	}
	execute(t, raw, "TRUNCATE users")
	l.Await(t, "all")
}

// TestTriggersGone drops a trigger while a feed runs. The feed must be lost
// until a migration restores the trigger.
func TestTriggersGone(t *testing.T) {
	t.Parallel()
	const rebuild = `CREATE TABLE copy AS SELECT * FROM users; DROP TABLE users; ALTER TABLE copy RENAME TO users`
	tests := map[string][]struct{ name, statement, missing string }{
		"postgres": {
			{"dropped", "DROP TRIGGER gatehouse_users_tell_update ON users", "gatehouse_users_tell_update"},
			{"switched off", "ALTER TABLE users DISABLE TRIGGER ALL", "gatehouse_users_revoke"},
			{"switched on as pg_dump does", "ALTER TABLE users ENABLE TRIGGER ALL", "gatehouse_users_tell"},
			{"swallowed", `CREATE OR REPLACE FUNCTION gatehouse_users_tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`, "gatehouse_users_tell_truncate"},
			{"table made anew", rebuild, "gatehouse_users_tell"},
		},
		"sqlite": {
			{"dropped", "DROP TRIGGER gatehouse_users_tell_update", "gatehouse_users_tell_update"},
			{"table made anew", rebuild, "gatehouse_users_tell_insert"},
		},
	}
	for kind, url := range freshURLs(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := migrated(t, url)
			raw := storetest.RawSQL(t, url)
			l := storetest.Listen(t, s)
			for _, test := range tests[kind] {
				l.Await(t, "connected")
				raw(test.statement)
				told := l.Next(t)
				for told.What == "all" { // the table made anew
					told = l.Next(t)
				}
				if told.What != "lost" || !strings.Contains(told.Err.Error(), test.missing) || !strings.Contains(told.Err.Error(), "gatehouse migrate") {
					t.Fatalf("%s: told %+v, want that it is lost, for %s", test.name, told, test.missing)
				}
				if applied, err := s.Migrate(t.Context()); err != nil || len(applied) > 0 {
					t.Fatalf("%s: migrate: %q, %v", test.name, applied, err)
				}
			}
			l.Await(t, "connected")
			user, err := s.AddUser(t.Context(), store.User{ID: uuid.New(), Email: "ann@example.com", CreatedAt: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			l.AwaitChange(t, "adding", user.ID)
		})
	}
}
