// Package storetest has what tests of a store need: the contract that every
// store.Store passes (Run), and a real PostgreSQL (Postgres, StartPostgres).
package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse/store"
)

// Run checks a kind of store against the contract of store.Store. open returns
// a store on an empty database, and closes it when its test ends.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	tests := map[string]func(t *testing.T, s store.Store){
		"Migrate":          testMigrate,
		"Add":              testAdd,
		"AddDefaults":      testAddDefaults,
		"AddTakenID":       testAddTakenID,
		"EmailCase":        testEmailCase,
		"EmailForms":       testEmailForms,
		"Update":           testUpdate,
		"NotFound":         testNotFound,
		"RecordLogin":      testRecordLogin,
		"RenewHash":        testRenewHash,
		"Delete":           testDelete,
		"UsersByID":        testUsersByID,
		"CheckWritable":    testCheckWritable,
		"EachUser":         testEachUser,
		"EachUserStops":    testEachUserStops,
		"EachUserMayAsk":   testEachUserMayAsk,
		"ManyUsers":        testManyUsers,
		"Times":            testTimes,
		"ConcurrentAdd":    testConcurrentAdd,
		"ConcurrentWrites": testConcurrentWrites,
		"Cancelled":        testCancelled,
		"Revoke":           testRevoke,
		"Follow":           testFollow,
		"FollowEnds":       testFollowEnds,
		"Close":            testClose,

		"BoundTokens": testBoundTokens,
	}
	for name, test := range attemptTests() {
		tests[name] = func(t *testing.T, s store.Store) { test(t, s) }
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			if _, err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			test(t, s)
		})
	}
}

// RunAttempts checks a kind of store.Attempts against its contract. open returns one that
// has counted nothing.
func RunAttempts(t *testing.T, open func() store.Attempts) {
	for name, test := range attemptTests() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open())
		})
	}
}

// attemptTests returns the contract of store.Attempts.
func attemptTests() map[string]func(t *testing.T, s store.Attempts) {
	return map[string]func(t *testing.T, s store.Attempts){
		"AttemptWaits":       testAttemptWaits,
		"AttemptsLeak":       testAttemptsLeak,
		"AttemptsBounded":    testAttemptsBounded,
		"ForgiveAttempt":     testForgiveAttempt,
		"ConcurrentAttempts": testConcurrentAttempts,
		"PruneAttempts":      testPruneAttempts,
		"Addresses":          testAddresses,
		"AttemptsCancelled":  testAttemptsCancelled,
		"BoundAttempts":      testBoundAttempts,
	}
}

// add adds a user with that e-mail and arbitrary other values.
func add(t *testing.T, s store.Store, email string) store.User {
	t.Helper()
	user, err := s.AddUser(t.Context(), store.User{Email: email, HashedPassword: "hash of " + email, Active: true})
	if err != nil {
		t.Fatalf("add %s: %v", email, err)
	}
	return user
}

// wantStored compares user with what the store has under its id.
func wantStored(t *testing.T, s store.Store, user store.User) {
	t.Helper()
	stored, err := s.UserByID(t.Context(), user.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(user, stored); diff != "" {
		t.Errorf("stored user differs (-want +got):\n%s", diff)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func testMigrate(t *testing.T, s store.Store) {
	user := add(t, s, "ann@example.com")
	applied, err := s.Migrate(t.Context())
	if err != nil || len(applied) != 0 {
		t.Errorf("second Migrate applied %q with error %v, want nothing", applied, err)
	}
	if err := store.CheckSchema(t.Context(), s); err != nil {
		t.Error(err)
	}
	wantStored(t, s, user)
}

func testAdd(t *testing.T, s store.Store) {
	company, name := uuid.New(), "Ann Ö. O'Neill"
	login := time.Date(2025, 6, 1, 10, 0, 0, 0, time.UTC)
	want := store.User{
		ID: uuid.New(), CompanyID: &company, Email: "ann@example.com", HashedPassword: "$2b$12$abc", FullName: &name,
		Role: "admin", CreatedAt: login.Add(-time.Hour), UpdatedAt: login.Add(-time.Minute), LastLogin: &login, Active: true,
	}
	added, err := s.AddUser(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, added); diff != "" {
		t.Errorf("added user differs (-want +got):\n%s", diff)
	}
	wantStored(t, s, want)
}

func testAddDefaults(t *testing.T, s store.Store) {
	before := time.Now().Truncate(time.Microsecond)
	added, err := s.AddUser(t.Context(), store.User{Email: "ann@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if added.ID == uuid.Nil {
		t.Error("no id was filled in")
	}
	for _, at := range []time.Time{added.CreatedAt, added.UpdatedAt} {
		if at.Before(before) || at.After(time.Now()) {
			t.Errorf("time filled in is %s, not now", at)
		}
	}
	want := store.User{
		ID: added.ID, Email: "ann@example.com", Role: store.DefaultRole,
		CreatedAt: added.CreatedAt, UpdatedAt: added.UpdatedAt,
	}
	if diff := cmp.Diff(want, added); diff != "" {
		t.Errorf("added user differs (-want +got):\n%s", diff)
	}
	wantStored(t, s, want)
}

func testAddTakenID(t *testing.T, s store.Store) {
	ann := add(t, s, "ann@example.com")
	_, err := s.AddUser(t.Context(), store.User{ID: ann.ID, Email: "bob@example.com"})
	if err == nil || errors.Is(err, store.ErrEmailTaken) {
		t.Errorf("adding a second user with one id: error %v, want one that is not about the e-mail", err)
	}
	wantStored(t, s, ann)
}

func testEmailCase(t *testing.T, s store.Store) {
	for _, spellings := range [][]string{
		{"Ann@Example.COM", "ann@example.com", "ANN@EXAMPLE.COM"},
		{"Ä@example.com", "ä@example.com", "Ä@EXAMPLE.com"},
		{"ЖЕНЯ@пример.рф", "женя@пример.рф", "Женя@Пример.РФ"},
	} {
		added := add(t, s, spellings[0])
		if want := strings.ToLower(spellings[0]); added.Email != want {
			t.Errorf("%s is stored as %s, want %s", spellings[0], added.Email, want)
		}
		for _, spelling := range spellings {
			found, err := s.UserByEmail(t.Context(), spelling)
			if err != nil || found.ID != added.ID {
				t.Errorf("UserByEmail(%s) = %s, %v; want the user added as %s", spelling, found.Email, err, spellings[0])
			}
			_, err = s.AddUser(t.Context(), store.User{Email: spelling})
			wantError(t, "adding "+spelling+" again", err, store.ErrEmailTaken)
		}
	}
}

func testUpdate(t *testing.T, s store.Store) {
	company, other := uuid.New(), uuid.New()
	companyID, otherID, none := &company, &other, (*uuid.UUID)(nil)
	hash, role, yes, no := "$2b$12$new", "admin", true, false
	tests := []struct {
		name   string
		change store.Change
		apply  func(*store.User)
	}{
		{"nothing", store.Change{}, func(*store.User) {}},
		{"password", store.Change{HashedPassword: &hash}, func(u *store.User) { u.HashedPassword = hash }},
		{"company", store.Change{CompanyID: &companyID}, func(u *store.User) { u.CompanyID = companyID }},
		{"other company", store.Change{CompanyID: &otherID}, func(u *store.User) { u.CompanyID = otherID }},
		{"no company", store.Change{CompanyID: &none}, func(u *store.User) { u.CompanyID = nil }},
		{"role", store.Change{Role: &role}, func(u *store.User) { u.Role = role }},
		{"disable", store.Change{Active: &no}, func(u *store.User) { u.Active = false }},
		{
			"all",
			store.Change{HashedPassword: &role, CompanyID: &companyID, Role: &hash, Active: &yes},
			func(u *store.User) { u.HashedPassword, u.CompanyID, u.Role, u.Active = role, companyID, hash, true },
		},
	}
	bystander := add(t, s, "bob@example.com")
	want := add(t, s, "ann@example.com")
	for _, test := range tests {
		got, err := s.UpdateUser(t.Context(), want.ID, test.change)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got.UpdatedAt.Before(want.UpdatedAt) || got.UpdatedAt.Equal(want.CreatedAt) {
			t.Errorf("%s: updated_at is %s after %s", test.name, got.UpdatedAt, want.UpdatedAt)
		}
		test.apply(&want)
		want.UpdatedAt = got.UpdatedAt
		if test.change.HashedPassword != nil {
			want.TokensValidAfter = got.TokensValidAfter // testRevoke checks it
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: user differs (-want +got):\n%s", test.name, diff)
		}
		wantStored(t, s, want)
	}
	wantStored(t, s, bystander)
}

func testNotFound(t *testing.T, s store.Store) {
	add(t, s, "ann@example.com")
	ctx, id := t.Context(), uuid.New()
	_, err := s.UserByID(ctx, id)
	wantError(t, "UserByID", err, store.ErrNotFound)
	for _, email := range []string{"", "bob@example.com", "%", "ann_example.com", "ann@example.com "} {
		_, err = s.UserByEmail(ctx, email)
		wantError(t, fmt.Sprintf("UserByEmail(%q)", email), err, store.ErrNotFound)
	}
	_, err = s.UpdateUser(ctx, id, store.Change{})
	wantError(t, "UpdateUser", err, store.ErrNotFound)
	wantError(t, "RecordLogin", s.RecordLogin(ctx, id, time.Now()), store.ErrNotFound)
	wantError(t, "DeleteUser", s.DeleteUser(ctx, id), store.ErrNotFound)
}

func testRecordLogin(t *testing.T, s store.Store) {
	want := add(t, s, "ann@example.com")
	for _, at := range []time.Time{
		time.Date(2030, 1, 2, 3, 4, 5, 678_901_000, time.UTC),
		time.Date(2030, 1, 2, 3, 4, 5, 0, time.FixedZone("", 5*60*60)),
	} {
		if err := s.RecordLogin(t.Context(), want.ID, at); err != nil {
			t.Fatal(err)
		}
		want.LastLogin = &at
		wantStored(t, s, want) // including updated_at
	}
}

func testDelete(t *testing.T, s store.Store) {
	ann, bob := add(t, s, "ann@example.com"), add(t, s, "bob@example.com")
	if err := s.DeleteUser(t.Context(), ann.ID); err != nil {
		t.Fatal(err)
	}
	_, err := s.UserByID(t.Context(), ann.ID)
	wantError(t, "UserByID of a deleted user", err, store.ErrNotFound)
	wantError(t, "deleting twice", s.DeleteUser(t.Context(), ann.ID), store.ErrNotFound)
	wantStored(t, s, bob)
	add(t, s, "ann@example.com")
}

func testTimes(t *testing.T, s store.Store) {
	east := time.FixedZone("east", 14*60*60)
	tests := []struct{ given, want time.Time }{
		{time.Date(2025, 1, 2, 3, 4, 5, 123_456_789, time.UTC), time.Date(2025, 1, 2, 3, 4, 5, 123_456_000, time.UTC)},
		{time.Date(2025, 1, 2, 3, 4, 5, 999_999_999, east), time.Date(2025, 1, 1, 13, 4, 5, 999_999_000, time.UTC)},
		{time.Date(2025, 1, 2, 3, 4, 5, 120_000_000, time.UTC), time.Date(2025, 1, 2, 3, 4, 5, 120_000_000, time.UTC)},
		{time.Date(1969, 12, 31, 23, 59, 59, 1_000, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 1_000, time.UTC)},
		{time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)},
	}
	for i, test := range tests {
		added, err := s.AddUser(t.Context(), store.User{
			Email: fmt.Sprintf("user%d@example.com", i), CreatedAt: test.given, UpdatedAt: test.given, LastLogin: &test.given,
		})
		if err != nil {
			t.Fatal(err)
		}
		wantStored(t, s, added)
		for _, got := range []time.Time{added.CreatedAt, added.UpdatedAt, *added.LastLogin} {
			if !got.Equal(test.want) || got.Location() != time.UTC {
				t.Errorf("%s came back as %s, want %s", test.given, got, test.want)
			}
		}
	}
}

func testCancelled(t *testing.T, s store.Store) {
	user := add(t, s, "ann@example.com")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := map[string]func() error{
		"Ping":        func() error { return s.Ping(ctx) },
		"UserByID":    func() error { _, err := s.UserByID(ctx, user.ID); return err },
		"UserByEmail": func() error { _, err := s.UserByEmail(ctx, user.Email); return err },
		"EachUser":    func() error { return s.EachUser(ctx, func(store.User) error { return nil }) },
		"AddUser":     func() error { _, err := s.AddUser(ctx, store.User{Email: "bob@example.com"}); return err },
		"AddUser taken": func() error {
			_, err := s.AddUser(ctx, store.User{Email: user.Email})
			return err
		},
		"UpdateUser":  func() error { _, err := s.UpdateUser(ctx, user.ID, store.Change{}); return err },
		"RecordLogin": func() error { return s.RecordLogin(ctx, user.ID, time.Now()) },
		"DeleteUser":  func() error { return s.DeleteUser(ctx, user.ID) },
		"Migrate":     func() error { _, err := s.Migrate(ctx); return err },
		"Pending":     func() error { _, err := s.Pending(ctx); return err },
	}
	for name, call := range calls {
		err := call()
		wantError(t, name, err, context.Canceled)
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrEmailTaken) {
			t.Errorf("%s answered %v though it was not asked", name, err)
		}
	}
	wantStored(t, s, user)
}

func testClose(t *testing.T, s store.Store) {
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("a closed store answers Ping")
	}
}
