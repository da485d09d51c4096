package store_test

// This file tests that the original gateway's table is adopted unchanged.

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gatehouse/store"
	"gatehouse/store/storetest"
)

const (
	annID = "0f8b5b52-5d0c-4d7b-9a4e-3b2f7c1d0a11"
	bobID = "1a2b3c4d-5d0c-4d7b-9a4e-3b2f7c1d0a22"
	// passlibHash is as passlib writes it.
	passlibHash = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW"
)

// original is the table as the original gateway's SQL has it.
const original = `CREATE TABLE users (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	company_id uuid,
	email varchar(255) NOT NULL UNIQUE,
	hashed_password varchar(255) NOT NULL,
	full_name varchar(255),
	role varchar(50) DEFAULT 'user',
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	last_login timestamptz,
	is_active boolean NOT NULL DEFAULT true
)`

// bare has what may be missing missing, and times without a zone.
const bare = `CREATE TABLE users (
	id uuid NOT NULL,
	company_id uuid,
	email varchar,
	hashed_password text,
	full_name text,
	role varchar,
	created_at timestamp,
	updated_at timestamp,
	last_login timestamp,
	is_active boolean
)`

func TestTakeOver(t *testing.T) {
	t.Parallel()
	company, name := uuid.MustParse("9b8f7e6d-5c4b-4a39-8877-665544332222"), "Ann"
	at := time.Date(2024, 5, 1, 10, 11, 12, 345_678_000, time.UTC)
	ann := store.User{
		ID: uuid.MustParse(annID), CompanyID: &company, Email: "Ann@Example.com", HashedPassword: passlibHash,
		FullName: &name, Role: "admin", CreatedAt: at, UpdatedAt: at.Add(time.Second), LastLogin: &at, Active: true,
	}
	const insertAnn = `INSERT INTO users
		(id, company_id, email, hashed_password, full_name, role, created_at, updated_at, last_login, is_active)
		VALUES ('` + annID + `', '9b8f7e6d-5c4b-4a39-8877-665544332222', 'Ann@Example.com', '` + passlibHash + `', 'Ann', 'admin',
		'2024-05-01 10:11:12.345678+00', '2024-05-01 10:11:13.345678+00', '2024-05-01 10:11:12.345678+00', true)`
	const insertBob = `INSERT INTO users (id, email, hashed_password, role, is_active)
		VALUES ('` + bobID + `', 'bob@example.com', '` + passlibHash + `', NULL, NULL)`
	bob := store.User{
		ID: uuid.MustParse(bobID), Email: "bob@example.com", HashedPassword: passlibHash, Role: store.DefaultRole,
	}
	without := func(column string) string {
		return "ALTER TABLE users DROP COLUMN " + column
	}
	tests := []struct {
		name string
		sql  []string
		want []store.User
		more bool // the migration adds columns
	}{
		{"as in its own SQL", []string{original, insertAnn}, []store.User{ann}, false},
		{"bare", []string{bare, insertAnn, insertBob}, []store.User{ann, bob}, false},
		{"exact index on e-mail", []string{bare, "CREATE UNIQUE INDEX ix_users_email ON users (email)", insertAnn}, []store.User{ann}, false},
		{"same index under another name", []string{original, "CREATE UNIQUE INDEX ix ON users (lower(email))", insertAnn}, []store.User{ann}, false},
		{"role of its own type", []string{
			"CREATE TYPE user_role AS ENUM ('user', 'admin')", bare,
			"ALTER TABLE users ALTER role TYPE user_role USING role::user_role", insertAnn, insertBob,
		}, []store.User{ann, bob}, false},
		{"no last_login", []string{original, insertAnn, without("last_login")}, []store.User{changed(ann, func(u *store.User) {
			u.LastLogin = nil
		})}, true},
		{"neither is_active nor times", []string{
			original, insertAnn, without("is_active"), without("created_at"), without("updated_at"), without("role"),
		}, []store.User{changed(ann, func(u *store.User) {
			u.CreatedAt, u.UpdatedAt, u.Role = time.Time{}, time.Time{}, store.DefaultRole
		})}, true},
		{"a column of its own", []string{original, "ALTER TABLE users ADD phone text DEFAULT '123'", insertAnn}, []store.User{ann}, false},
		{"empty", []string{original}, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			url := storetest.Postgres(t)
			conn := storetest.Connect(t, url)
			execute(t, conn, test.sql...)
			before := tableText(t, conn)
			s := migrated(t, url)
			if diff := cmp.Diff(before, tableText(t, conn)); diff != "" && !test.more {
				t.Errorf("the migration changed rows (-before +after):\n%s", diff)
			}
			if applied, err := s.Migrate(t.Context()); err != nil || len(applied) > 0 {
				t.Errorf("second Migrate applied %q, %v", applied, err)
			}
			if diff := cmp.Diff(test.want, allUsers(t, s)); diff != "" {
				t.Errorf("users differ (-want +got):\n%s", diff)
			}
			useBeside(t, s, conn)
		})
	}
}

func changed(user store.User, change func(*store.User)) store.User {
	change(&user)
	return user
}

// tableText returns the whole table as PostgreSQL writes it, one JSON object
// per row, without our own column.
func tableText(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), "SELECT (to_jsonb(users) - 'tokens_valid_after')::text FROM users ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	text, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func allUsers(t *testing.T, s store.Store) (all []store.User) {
	t.Helper()
	err := s.EachUser(t.Context(), func(user store.User) error {
		all = append(all, user)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// useBeside does what each of the two gateways does to the table the other uses.
func useBeside(t *testing.T, s store.Store, originals *pgx.Conn) {
	t.Helper()
	execute(t, originals, `INSERT INTO users (id, email, hashed_password, is_active)
		VALUES (gen_random_uuid(), 'Carl@Example.com', '`+passlibHash+`', true)`)
	carl, err := s.UserByEmail(t.Context(), "carl@example.COM")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddUser(t.Context(), store.User{Email: "CARL@example.com"}); !errors.Is(err, store.ErrEmailTaken) {
		t.Errorf("adding a taken e-mail: error %v", err)
	}
	if err := s.RecordLogin(t.Context(), carl.ID, time.Now()); err != nil {
		t.Error(err)
	}
	at := time.Date(2025, 6, 7, 8, 9, 10, 11_000, time.UTC)
	dora, err := s.AddUser(t.Context(), store.User{Email: "Dora@example.com", CreatedAt: at, LastLogin: &at, Active: true})
	if err != nil {
		t.Fatal(err)
	}
	if !dora.CreatedAt.Equal(at) || !dora.LastLogin.Equal(at) {
		t.Errorf("times came back as %s and %s, want %s", dora.CreatedAt, dora.LastLogin, at)
	}
	// The original's own lookup and update.
	execute(t, originals, `UPDATE users SET company_id = '9b8f7e6d-5c4b-4a39-8877-665544332222', updated_at = now() AT TIME ZONE 'UTC'
		WHERE lower(email) = lower('DORA@example.com')`)
	if dora, err = s.UserByID(t.Context(), dora.ID); err != nil || dora.CompanyID == nil {
		t.Errorf("the original's update is not seen: %+v, %v", dora, err)
	}
}

func TestTakeOverDuplicates(t *testing.T) {
	t.Parallel()
	const insert = `INSERT INTO users (id, email, hashed_password) VALUES
		('` + annID + `', 'ann@example.com', 'x'), ('` + bobID + `', 'Ann@Example.com', 'y'),
		('00000000-0000-4000-8000-000000000000', 'bob@example.com', 'z')`
	url := storetest.Postgres(t)
	conn := storetest.Connect(t, url)
	execute(t, conn, original, "ALTER TABLE users DROP COLUMN last_login", insert)
	before := tableText(t, conn)
	s := open(t, url)
	wantDuplicates(t, s, []string{"Ann@Example.com", "ann@example.com"})
	if diff := cmp.Diff(before, tableText(t, conn)); diff != "" {
		t.Errorf("the migration changed the table (-before +after):\n%s", diff)
	}
	if err := store.CheckSchema(t.Context(), s); err == nil {
		t.Error("the schema passes for migrated")
	}
	execute(t, conn, "UPDATE users SET email = 'ann2@example.com' WHERE id = '"+bobID+"'")
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Errorf("after the duplicates are gone: %v", err)
	}
}

func wantDuplicates(t *testing.T, s store.Store, emails []string) {
	t.Helper()
	_, err := s.Migrate(t.Context())
	var duplicates *store.DuplicateEmailsError
	if !errors.As(err, &duplicates) {
		t.Fatalf("error %v, want one about duplicate e-mails", err)
	}
	if diff := cmp.Diff(&store.DuplicateEmailsError{Emails: emails}, duplicates); diff != "" {
		t.Errorf("error differs (-want +got):\n%s", diff)
	}
	for _, want := range append(emails, s.Address(), "nothing was changed") {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

// TestTakeOverStrangers requires that tables of other applications are refused
// unchanged.
func TestTakeOverStrangers(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, sql, want string }{
		{"number as id", "CREATE TABLE users (id integer, email text, hashed_password text)", "not a uuid"},
		{"no password", "CREATE TABLE users (id uuid, email text)", "hashed_password"},
		{"view", "CREATE VIEW users AS SELECT gen_random_uuid() AS id, 'a' AS email, 'b' AS hashed_password", "users"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			url := storetest.Postgres(t)
			conn := storetest.Connect(t, url)
			execute(t, conn, test.sql)
			s := open(t, url)
			if _, err := s.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want it to say %q", err, test.want)
			}
			var columns int
			err := conn.QueryRow(t.Context(), "SELECT count(*) FROM information_schema.columns WHERE table_name = 'users'").Scan(&columns)
			if want := strings.Count(test.sql, ",") + 1; err != nil || columns != want {
				t.Errorf("the table has %d columns, want %d (%v)", columns, want, err)
			}
		})
	}
}

// TestTakeOverSQLite reads rows that another program wrote, as Python would.
func TestTakeOverSQLite(t *testing.T) {
	t.Parallel()
	url := sqliteURL(t)
	db := storetest.OpenSQLite(t, url)
	for _, statement := range []string{
		`CREATE TABLE users (id CHAR(36) PRIMARY KEY, company_id CHAR(36), email VARCHAR(255), hashed_password VARCHAR(255), full_name TEXT,
			role VARCHAR(50), created_at DATETIME, updated_at TEXT, last_login DATETIME, is_active BOOLEAN)`,
		`INSERT INTO users VALUES ('` + annID + `', NULL, 'Ann@Example.com', '` + passlibHash + `', NULL, NULL,
			'2024-05-01 10:11:12.345678', '2024-05-01T12:11:12.345678+02:00', '2024-05-01', 1)`,
		`INSERT INTO users (id, email) VALUES ('` + bobID + `', 'ann@example.com')`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, url)
	wantDuplicates(t, s, []string{"Ann@Example.com", "ann@example.com"})
	if _, err := db.ExecContext(t.Context(), "UPDATE users SET email = 'bob@example.com' WHERE id = '"+bobID+"'"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	at, login := time.Date(2024, 5, 1, 10, 11, 12, 345_678_000, time.UTC), time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)
	want := []store.User{
		{
			ID: uuid.MustParse(annID), Email: "Ann@Example.com", HashedPassword: passlibHash, Role: store.DefaultRole,
			CreatedAt: at, UpdatedAt: at, LastLogin: &login, Active: true,
		},
		{ID: uuid.MustParse(bobID), Email: "bob@example.com", Role: store.DefaultRole},
	}
	if diff := cmp.Diff(want, allUsers(t, s)); diff != "" {
		t.Errorf("users differ (-want +got):\n%s", diff)
	}
	if user, err := s.UserByEmail(t.Context(), "ANN@example.com"); err != nil || user.ID != want[0].ID {
		t.Errorf("lookup in another case: %+v, %v", user, err)
	}
}

// TestUserJSON holds the names under which users are exported.
func TestUserJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(store.User{Email: "ann@example.com", Role: "user"})
	const want = `{"id":"00000000-0000-0000-0000-000000000000","company_id":null,"email":"ann@example.com","hashed_password":"",` +
		`"full_name":null,"role":"user","created_at":"0001-01-01T00:00:00Z","updated_at":"0001-01-01T00:00:00Z","last_login":null,"is_active":false,"tokens_valid_after":null}`
	if err != nil || string(text) != want {
		t.Errorf("JSON is %s, %v; want %s", text, err, want)
	}
}
