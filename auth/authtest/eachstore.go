//go:build unix

package authtest

import (
	"testing"

	"gatehouse/store"
	"gatehouse/store/storetest"
)

// EachStore runs the test on every kind of database.
func EachStore(t *testing.T, test func(t *testing.T, users store.Store)) {
	t.Run("SQLite", func(t *testing.T) { test(t, OpenSQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, OpenStore(t, storetest.Postgres(t))) })
}
