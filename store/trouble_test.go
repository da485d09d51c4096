package store_test

// This file tests a database that is stopped and started again, and two
// processes on one file.

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"gatehouse/store"
	"gatehouse/store/storetest"
)

// writerVariable makes the test program a second process that adds users to the
// store it names.
const writerVariable = "STORE_TEST_WRITER_URL"

const writes = 100

func TestMain(m *testing.M) {
	if url := os.Getenv(writerVariable); url != "" {
		if err := addUsers(context.Background(), url, "second"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func addUsers(ctx context.Context, url, name string) error {
	s, err := store.Open(ctx, url, store.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Migrate(ctx); err != nil {
		return err
	}
	for i := range writes {
		user, err := s.AddUser(ctx, store.User{Email: fmt.Sprintf("%s%d@example.com", name, i)})
		if err != nil {
			return err
		}
		if err := s.RecordLogin(ctx, user.ID, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// TestSQLiteTwoProcesses is a command beside the running gateway, both at their
// first start.
func TestSQLiteTwoProcesses(t *testing.T) {
	t.Parallel()
	url := sqliteURL(t)
	second := exec.CommandContext(t.Context(), os.Args[0])
	second.Env = append(os.Environ(), writerVariable+"="+url)
	second.Stderr = os.Stderr
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	firstErr := addUsers(t.Context(), url, "first")
	if err := errors.Join(firstErr, second.Wait()); err != nil {
		t.Fatal(err)
	}
	if users := allUsers(t, open(t, url)); len(users) != 2*writes {
		t.Errorf("the file has %d users, want %d", len(users), 2*writes)
	}
}

func TestPostgresWrongPassword(t *testing.T) {
	t.Parallel()
	parsed, err := url.Parse(storetest.StartPostgres(t).Database(t))
	if err != nil {
		t.Fatal(err)
	}
	parsed.User = url.UserPassword(parsed.User.Username(), "secret%1")
	s := open(t, parsed.String())
	calls := map[string]func() error{
		"Ping":      func() error { return s.Ping(t.Context()) },
		"Migrate":   func() error { _, err := s.Migrate(t.Context()); return err },
		"Pending":   func() error { _, err := s.Pending(t.Context()); return err },
		"AddUser":   func() error { _, err := s.AddUser(t.Context(), store.User{}); return err },
		"WaitReady": func() error { return store.WaitReady(t.Context(), s, 5*time.Second) },
	}
	for name, call := range calls {
		err := call()
		if err == nil || !strings.Contains(err.Error(), "password authentication failed") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one about the password that does not tell it", name, err)
		}
	}
}

func TestPostgresComesBack(t *testing.T) {
	t.Parallel()
	server := storetest.StartPostgres(t)
	s := migrated(t, server.Database(t))
	ann, err := s.AddUser(t.Context(), store.User{Email: "ann@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		server.Stop(t)
		_, err = s.UserByID(t.Context(), ann.ID)
		if err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("without a server: error %v, want one that says it could not be asked", err)
		}
		if err := s.Ping(t.Context()); err == nil {
			t.Error("without a server Ping is answered")
		}
		back := make(chan error, 1)
		go func() { back <- store.WaitReady(t.Context(), s, time.Minute) }()
		server.Start(t)
		if err := <-back; err != nil {
			t.Fatal(err)
		}
		if _, err := s.UserByID(t.Context(), ann.ID); err != nil {
			t.Errorf("with the server back: %v", err)
		}
	}
}
