package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"

	"gatehouse/auth/account"
	"gatehouse/internal/server"
	"gatehouse/store"

	"github.com/google/uuid"
)

// The user of the demonstration, known to whoever reads this: the gateway
// listens on loopback only and forgets everything at its end.
const (
	demoEmail    = "demo@example.com"
	demoPassword = "correct horse"
	demoCompany  = "9b8f7e6d-5c4b-4a39-8877-665544332222"
	demoAddress  = "127.0.0.1:8080"
	// demoBcryptCost makes the demonstration start soon: the password is no secret.
	demoBcryptCost = bcrypt.DefaultCost
	// echoHeaderTimeout bounds the gateway as it bounds its own clients.
	echoHeaderTimeout = 10 * time.Second
)

// demoTable is the route table of the demonstration.
const demoTable = `name: Gatehouse demo
users:
  companies: [` + demoCompany + `]
routes:
  - name: users
    prefix: /api/v1/users
    handler: users
  - name: query
    prefix: /api/v1/query
    backend: ${DEMO_BACKEND}
  - name: open
    prefix: /api/v1/open
    backend: ${DEMO_OPEN_BACKEND}
    auth: none
tests:
  - {request: GET /api/v1/query/chats, as: anonymous, expect: 401}
  - {request: GET /api/v1/query/chats, as: newcomer,  expect: 403}
  - {request: GET /api/v1/query/chats, as: member,    expect: query}
`

func newDemo(t terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Run a demonstration that needs no setup and leaves nothing behind",
		Long: "Runs `serve` with a throw-away SQLite store, a random secret, an echo backend on loopback and a demo\n" +
			"user, and prints commands to paste. Ctrl-C ends it and leaves nothing behind.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			folder, err := os.MkdirTemp("", "gatehouse-demo-")
			if err != nil {
				return fmt.Errorf("make a folder for the demo: %w", err)
			}
			defer func() { _ = os.RemoveAll(folder) }()
			return runDemo(cmd.Context(), t, folder)
		},
	}
}

// runDemo lays everything that `serve` needs into the folder, and runs it.
func runDemo(ctx context.Context, t terminal, folder string) error {
	echo := &http.Server{Handler: http.HandlerFunc(serveEcho), ReadHeaderTimeout: echoHeaderTimeout}
	defer echo.Close()
	backends := make([]string, 2) // one for each policy: one backend behind two would be warned of
	for i := range backends {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("start the echo backend: %w", err)
		}
		go echo.Serve(listener) //nolint:errcheck // it ends with ErrServerClosed, above
		backends[i] = "http://" + listener.Addr().String()
	}

	table := filepath.Join(folder, "routes.yaml")
	if err := os.WriteFile(table, []byte(demoTable), 0o600); err != nil {
		return fmt.Errorf("write the demo's route table: %w", err)
	}
	settings := map[string]string{
		"GATEWAY_LISTEN":       freeAddress(demoAddress),
		"GATEWAY_OPS_LISTEN":   "127.0.0.1:0",
		"GATEWAY_LOG_FORMAT":   "text",
		"GATEWAY_JWT_SECRET":   rand.Text() + rand.Text(),
		"GATEWAY_DATABASE_URL": "sqlite:" + filepath.Join(folder, "demo.db"),
		"GATEWAY_BCRYPT_COST":  strconv.Itoa(demoBcryptCost),
		"DEMO_BACKEND":         backends[0],
		"DEMO_OPEN_BACKEND":    backends[1],
	}
	if err := addDemoUser(ctx, settings["GATEWAY_DATABASE_URL"]); err != nil {
		return fmt.Errorf("add the demo user: %w", err)
	}
	return serve(ctx, server.Options{
		File: table, Process: t.lookup, Output: t.err, Version: version,
		Lookup: func(name string) (string, bool) { // nothing of the real environment: it is another gateway's
			value, found := settings[name]
			return value, found
		},
		Ready: func(public, operators net.Addr) { printDemo(t.out, public, operators) },
	})
}

// freeAddress is the wanted address, or any free port when somebody has it.
func freeAddress(wanted string) string {
	listener, err := net.Listen("tcp", wanted)
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = listener.Close()
	return wanted
}

func addDemoUser(ctx context.Context, url string) error {
	users, err := store.Open(ctx, url, store.Options{})
	if err != nil {
		return err
	}
	_, err = users.Migrate(ctx)
	if err == nil {
		err = insertDemoUser(ctx, users)
	}
	return errors.Join(err, users.Close())
}

func insertDemoUser(ctx context.Context, users store.Store) error {
	passwords, err := account.NewPasswords(demoBcryptCost, nil)
	if err != nil {
		return err
	}
	hash, err := passwords.Hash(ctx, demoPassword)
	if err != nil {
		return err
	}
	company, name := uuid.MustParse(demoCompany), "Demo User"
	_, err = users.AddUser(ctx, store.User{
		Email: demoEmail, HashedPassword: hash, FullName: &name, CompanyID: &company, Active: true,
	})
	return err
}

// printDemo tells what to paste, and what it will answer.
func printDemo(w io.Writer, public, operators net.Addr) {
	fmt.Fprintf(w, `
Gatehouse is running on http://%[1]s (Ctrl-C ends it). In another terminal, paste:

# log in: 200, a token
TOKEN=$(curl -s http://%[1]s/api/v1/users/login -H 'Content-Type: application/json' \
  -d '{"email":"%[3]s","password":"%[4]s"}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')

# a strict route: 200, and the backend tells the X-User-ID, X-Company-ID and X-User-Email it was given
curl -s -w '\n' http://%[1]s/api/v1/query/chats -H "Authorization: Bearer $TOKEN"

# the same with a forged X-User-ID: the backend still sees the real one
curl -s -w '\n' http://%[1]s/api/v1/query/chats -H "Authorization: Bearer $TOKEN" -H 'X-User-ID: somebody-else'

# without a token: 401, {"detail":"Not authenticated",…}
curl -s -i -w '\n' http://%[1]s/api/v1/query/chats

# an open route: 200, and no identity
curl -s -w '\n' http://%[1]s/api/v1/open/hello

# what operators look at
curl -s http://%[2]s/metrics | grep gatehouse_http_requests_total
curl -s -w '\n' http://%[2]s/readyz

`, public, operators, demoEmail, demoPassword)
}

// echo is what the echo backend answers: the request as it arrived.
type echo struct {
	Method  string            `json:"method"`
	Target  string            `json:"target"`
	Host    string            `json:"host"`
	Headers map[string]string `json:"headers"`
	Body    int64             `json:"body_bytes"`
}

// serveEcho shows what a backend behind the gateway is sent. A token is cut:
// terminals are looked at over shoulders.
func serveEcho(w http.ResponseWriter, r *http.Request) {
	seen := echo{Method: r.Method, Target: r.RequestURI, Host: r.Host, Headers: map[string]string{}}
	for name, values := range r.Header {
		seen.Headers[name] = values[0]
	}
	if token := seen.Headers["Authorization"]; len(token) > 20 {
		seen.Headers["Authorization"] = token[:20] + "…"
	}
	seen.Body, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(seen)
}
