// Package demo runs a gateway without any setup: with a temporary store, a
// random secret, an echo backend and a user. Everything is deleted at the end.
package demo

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

	"github.com/google/uuid"
	"golang.org/x/crypto/bcrypt"

	"gatehouse/auth/account"
	"gatehouse/config/settings"
	"gatehouse/internal/server"
	"gatehouse/store"
)

// The user of the demonstration. Everybody may know the password: the gateway
// listens on loopback only, and deletes everything at its end.
const (
	Email    = "demo@example.com"
	Password = "correct horse"
	Company  = "9b8f7e6d-5c4b-4a39-8877-665544332222"
	address  = "127.0.0.1:8080"
	// bcryptCost is low so that the demonstration starts fast: the password is
	// not secret.
	bcryptCost = bcrypt.DefaultCost
	// echoHeaderTimeout is the same bound that the gateway has for its clients.
	echoHeaderTimeout = 10 * time.Second
)

// routes is the route table of the demonstration.
const routes = `name: Gatehouse demo
users:
  companies: [` + Company + `]
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

// Options configure a demonstration.
type Options struct {
	Process settings.Lookup // returns the variables of the Go runtime
	Out     io.Writer       // receives the commands to paste
	Log     io.Writer       // receives the gateway's log
	Version string
}

// Run runs a demonstration until the context ends, and then deletes its files.
func Run(ctx context.Context, options Options) error {
	folder, err := os.MkdirTemp("", "gatehouse-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	echo := &http.Server{Handler: http.HandlerFunc(serveEcho), ReadHeaderTimeout: echoHeaderTimeout}
	defer echo.Close()
	backends := make([]string, 2) // one for each policy: two policies on one backend would cause a warning
	for i := range backends {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("start the echo backend: %w", err)
		}
		go echo.Serve(listener) //nolint:errcheck // it returns ErrServerClosed after the Close above
		backends[i] = "http://" + listener.Addr().String()
	}
	return runIn(ctx, folder, backends, options)
}

// runIn writes the gateway's files into the folder, and runs the gateway.
func runIn(ctx context.Context, folder string, backends []string, options Options) error {
	table := filepath.Join(folder, "routes.yaml")
	if err := os.WriteFile(table, []byte(routes), 0o600); err != nil {
		return fmt.Errorf("write the demo's route table: %w", err)
	}
	values := map[string]string{
		"GATEWAY_LISTEN":       freeAddress(address),
		"GATEWAY_OPS_LISTEN":   "127.0.0.1:0",
		"GATEWAY_LOG_FORMAT":   "text",
		"GATEWAY_JWT_SECRET":   rand.Text() + rand.Text(),
		"GATEWAY_DATABASE_URL": "sqlite:" + filepath.Join(folder, "demo.db"),
		"GATEWAY_BCRYPT_COST":  strconv.Itoa(bcryptCost),
		"DEMO_BACKEND":         backends[0],
		"DEMO_OPEN_BACKEND":    backends[1],
	}
	if err := addUser(ctx, values["GATEWAY_DATABASE_URL"]); err != nil {
		return fmt.Errorf("add the demo user: %w", err)
	}
	return server.Run(ctx, server.Options{
		File: table, Process: options.Process, Output: options.Log, Version: options.Version,
		Lookup: func(name string) (string, bool) { // without the real environment, which belongs to another gateway
			value, found := values[name]
			return value, found
		},
		Ready: func(public, operators net.Addr) { printCommands(options.Out, public, operators) },
	})
}

// freeAddress returns the wanted address, or any free port when it is in use.
func freeAddress(wanted string) string {
	listener, err := net.Listen("tcp", wanted)
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = listener.Close()
	return wanted
}

func addUser(ctx context.Context, url string) error {
	users, err := store.Open(ctx, url, store.Options{})
	if err != nil {
		return err
	}
	_, err = users.Migrate(ctx)
	if err == nil {
		err = insertUser(ctx, users)
	}
	return errors.Join(err, users.Close())
}

func insertUser(ctx context.Context, users store.Store) error {
	passwords, err := account.NewPasswords(bcryptCost, nil)
	if err != nil {
		return err
	}
	hash, err := passwords.Hash(ctx, Password)
	if err != nil {
		return err
	}
	company, name := uuid.MustParse(Company), "Demo User"
	_, err = users.AddUser(ctx, store.User{
		Email: Email, HashedPassword: hash, FullName: &name, CompanyID: &company, Active: true,
	})
	return err
}

// printCommands prints the commands to paste, with their expected answers.
func printCommands(w io.Writer, public, operators net.Addr) {
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

`, public, operators, Email, Password)
}

// Echo is the answer of the echo backend: the request as it arrived.
type Echo struct {
	Method  string            `json:"method"`
	Target  string            `json:"target"`
	Host    string            `json:"host"`
	Headers map[string]string `json:"headers"`
	Body    int64             `json:"body_bytes"`
}

// serveEcho shows what a backend behind the gateway receives. It cuts the
// token, because others may see the terminal.
func serveEcho(w http.ResponseWriter, r *http.Request) {
	seen := Echo{Method: r.Method, Target: r.RequestURI, Host: r.Host, Headers: map[string]string{}}
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
