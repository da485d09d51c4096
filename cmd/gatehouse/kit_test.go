package main

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/auth/account"
	"gatehouse/internal/server"
	"gatehouse/internal/testkit"
	"gatehouse/store"
)

const (
	testSecret   = "a secret of the tests, 32 bytes or more"
	testPassword = "correct horse"
	// startTimeout is for a gateway to start. On a busy machine this takes long: it
	// reads its tables and settings, opens its store and hashes a password.
	startTimeout = 10 * time.Minute
)

// running is a gateway that serves, in this process.
type running struct {
	url, operators string
	log            *testkit.Log
	stop           func() error // ends it and gives what run returned
}

// newGateway makes a gateway with a table and settings of its own, not started.
func newGateway(t testing.TB, file string, settings map[string]string) (*server.Options, *testkit.Log) {
	t.Helper()
	log := new(testkit.Log)
	all := map[string]string{
		"GATEWAY_LISTEN":      "127.0.0.1:0",
		"GATEWAY_OPS_LISTEN":  "127.0.0.1:0",
		"GATEWAY_JWT_SECRET":  testSecret,
		"GATEWAY_BCRYPT_COST": "4",
	}
	maps.Copy(all, settings)
	return &server.Options{
		File: file, Process: os.LookupEnv, Output: log, Version: version,
		Lookup: testkit.Lookup(all),
	}, log
}

// start runs a gateway until the test ends.
func start(t testing.TB, file string, settings map[string]string) *running {
	t.Helper()
	g, log := newGateway(t, file, settings)
	return launch(t, g, log, settings)
}

// startNotRevalidated is start of a gateway that reads nobody again within a test: who
// is out is out because of what the database told.
func startNotRevalidated(t testing.TB, file string, settings map[string]string) *running {
	t.Helper()
	g, log := newGateway(t, file, settings)
	g.RevalidateAge = time.Hour
	return launch(t, g, log, settings)
}

// launch runs a gateway that newGateway made until the test ends.
func launch(t testing.TB, g *server.Options, log *testkit.Log, settings map[string]string) *running {
	t.Helper()
	type addresses struct{ public, operators net.Addr }
	ready := make(chan addresses, 1)
	g.Ready = func(public, operators net.Addr) { ready <- addresses{public, operators} }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, *g) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = stop() })
	select {
	case at := <-ready:
		scheme := "http://"
		if settings["GATEWAY_TLS_CERT_FILE"] != "" {
			scheme = "https://"
		}
		return &running{scheme + at.public.String(), "http://" + at.operators.String(), log, stop}
	case err := <-done:
		done <- err
		t.Fatalf("the gateway did not start: %v\n%s", err, log)
	case <-time.After(startTimeout):
		t.Fatalf("the gateway did not start in %v:\n%s", startTimeout, log)
	}
	return nil
}

// AddUser puts a user with testPassword into a store, beside the gateway.
func addUser(t testing.TB, url, email string, company *uuid.UUID) store.User {
	t.Helper()
	users, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer users.Close()
	if _, err := users.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	passwords, err := account.NewPasswords(4, nil)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := passwords.Hash(t.Context(), testPassword)
	if err != nil {
		t.Fatal(err)
	}
	user, err := users.AddUser(t.Context(), store.User{Email: email, HashedPassword: hash, CompanyID: company, Active: true})
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// request is one exchange with the gateway.
type request struct {
	method, url, token, body string
	host                     string // "" for that of the URL
	header                   http.Header
}

// answer is what came back, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// field returns a field of a JSON object, "" for null.
func (a answer) field(t testing.TB, name string) string {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(a.body), &object); err != nil {
		t.Fatalf("body is not a JSON object: %v\n%s", err, a.body)
	}
	text, _ := object[name].(string)
	return text
}

func do(t testing.TB, r request) answer {
	t.Helper()
	if r.method == "" {
		r.method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(t.Context(), r.method, r.url, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = r.host
	maps.Copy(req.Header, r.header)
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	res, err := http.DefaultTransport.RoundTrip(req) // no redirects, no cookies
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

// login returns the token of a user with testPassword.
func login(t testing.TB, gateway *running, email string) string {
	t.Helper()
	a := do(t, request{
		method: http.MethodPost, url: gateway.url + "/api/v1/users/login",
		body: `{"email":"` + email + `","password":"` + testPassword + `"}`,
	})
	if a.status != http.StatusOK {
		t.Fatalf("login: %d %s", a.status, a.body)
	}
	return a.field(t, "access_token")
}
