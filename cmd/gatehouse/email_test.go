package main

// This file tests different forms of one e-mail.

import (
	"bytes"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/store/storetest"

	"github.com/google/uuid"
)

// TestEmailHasOneForm logs in with other forms of an e-mail, and requires that
// guesses with any form count for one account.
func TestEmailHasOneForm(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "users.db")
	addUser(t, url, "ju\u0308rgen@xn--bcher-kva.example", nil)
	gateway := start(t, testkit.TempFile(t, "routes.yaml", "routes:\n  - {name: users, prefix: /api/v1/users, handler: users}\n"),
		map[string]string{"GATEWAY_DATABASE_URL": url})
	forms := []string{
		"j\u00fcrgen@b\u00fccher.example", "ju\u0308rgen@b\u00fccher.example", "j\u00fcrgen@xn--bcher-kva.example", "JU\u0308RGEN@XN--BCHER-KVA.EXAMPLE",
	}
	for _, form := range forms {
		token := login(t, gateway, form)
		a := do(t, request{url: gateway.url + "/api/v1/users/me", token: token})
		if got := a.field(t, "email"); got != forms[0] {
			t.Errorf("%+q logs in as %+q", form, got)
		}
	}
	for i := range 20 {
		a := do(t, request{
			method: http.MethodPost, url: gateway.url + "/api/v1/users/login",
			body: `{"email":"` + forms[i%len(forms)] + `","password":"wrong horse"}`,
		})
		if a.status == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("twenty guesses in several forms, and none had to wait")
}

// TestEmailTwinsAreTold takes over a database in which two users have one e-mail
// in two forms: `migrate` and the log name them, both can log in, each as it is
// stored.
func TestEmailTwinsAreTold(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "users.db")
	emails := []string{"ann@b\u00fccher.example", "ann@xn--bcher-kva.example"}
	first := addUser(t, url, emails[0], nil)
	second := uuid.New()
	storetest.RawSQL(t, url)(`INSERT INTO users (id, email, hashed_password) VALUES (?, ?, ?)`,
		second.String(), emails[1], first.HashedPassword)

	var out bytes.Buffer
	status := run(t.Context(), []string{"migrate"}, terminal{out: &out, err: &out, lookup: testkit.Lookup(map[string]string{"GATEWAY_DATABASE_URL": url})})
	told := []string{`"ann@b\u00fccher.example"`, `"ann@xn--bcher-kva.example"`, "delete the other"}
	for _, want := range told {
		if status != 0 || !strings.Contains(out.String(), want) {
			t.Errorf("migrate, status %d: no %s in:\n%s", status, want, out.String())
		}
	}
	gateway := start(t, testkit.TempFile(t, "routes.yaml", "routes:\n  - {name: users, prefix: /api/v1/users, handler: users}\n"),
		map[string]string{"GATEWAY_DATABASE_URL": url})
	if log := gateway.log.String(); !strings.Contains(log, "xn--bcher-kva") || !strings.Contains(log, "the same e-mail in different forms") {
		t.Errorf("the log does not tell of them:\n%s", log)
	}
	for i, want := range []string{first.ID.String(), second.String()} {
		a := do(t, request{url: gateway.url + "/api/v1/users/me", token: login(t, gateway, emails[i])})
		if got := a.field(t, "user_id"); got != want {
			t.Errorf("%+q logs in as %s, want %s", emails[i], got, want)
		}
	}
	a := do(t, request{
		method: http.MethodPost, url: gateway.url + "/api/v1/users/login",
		body: `{"email":"ann@bu` + "\u0308" + `cher.example","password":"` + testPassword + `"}`,
	})
	if a.status != http.StatusUnauthorized {
		t.Errorf("a form that may be either: %d %s", a.status, a.body)
	}
}
