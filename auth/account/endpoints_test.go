package account

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/auth/keys/keystest"
	"gatehouse/config"
	"gatehouse/internal/testkit"
	"gatehouse/store"
)

// loginCounts keeps the results in order.
type loginCounts struct{ results []string }

func (c *loginCounts) Login(result string) { c.results = append(c.results, result) }

// endpointServer is the users handler as the proxy mounts it, behind a real server.
type endpointServer struct {
	*httptest.Server
	store       store.Store
	gate        *auth.Gate
	signer      *auth.Signer
	logins      *loginCounts
	comparisons *int
	log         *testkit.Log
	decisions   chan auth.Decision
}

func newEndpointServer(t testing.TB, users store.Store, change func(*Options)) *endpointServer {
	t.Helper()
	ring := keystest.NewRing(t, authtest.Secret)
	passwords, comparisons := countedPasswords(t)
	f := &endpointServer{
		store:       users,
		gate:        auth.NewGate(auth.NewVerifier(ring, nil, authtest.AtNoon), auth.StoredUsers{Store: users}),
		signer:      auth.NewSigner(ring, time.Hour, authtest.AtNoon),
		logins:      &loginCounts{},
		comparisons: comparisons,
		log:         new(testkit.Log),
		decisions:   make(chan auth.Decision, 1),
	}
	options := Options{
		Gate: f.gate, Signer: f.signer, Store: users, Passwords: passwords, Join: config.JoinListed,
		Metrics: f.logins, Log: slog.New(slog.NewTextHandler(f.log, nil)), Now: authtest.AtNoon,
	}
	if change != nil {
		change(&options)
	}
	mounted := http.StripPrefix("/api/v1/users", New(options))
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var decision auth.Decision
		w.Header().Set("X-Request-ID", "r-1")
		defer func() { f.decisions <- decision }()
		mounted.ServeHTTP(w, r.WithContext(auth.WithDecision(r.Context(), &decision)))
	}))
	t.Cleanup(f.Close)
	return f
}

// reply is the answer, with what the access log received.
type reply struct {
	status   int
	header   http.Header
	body     string
	decision auth.Decision
}

// send sends a request below /api/v1/users: JSON, if there is a body.
func (f *endpointServer) send(t testing.TB, method, path, token, body string) reply {
	t.Helper()
	header := http.Header{}
	if body != "" {
		header.Set("Content-Type", "application/json")
	}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return f.sendWith(t, method, path, header, strings.NewReader(body))
}

func (f *endpointServer) sendWith(t testing.TB, method, path string, header http.Header, body io.Reader) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, f.URL+"/api/v1/users"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := f.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := response.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control = %q", got)
	}
	return reply{response.StatusCode, response.Header, string(text), <-f.decisions}
}

func (r reply) expect(t testing.TB, status int, body string) {
	t.Helper()
	if r.status != status || r.body != body {
		t.Errorf("got %d %s\nwant %d %s", r.status, r.body, status, body)
	}
}

// expectDetail requires an error with that sentence.
func (r reply) expectDetail(t testing.TB, status int, detail string) {
	t.Helper()
	quoted, _ := json.Marshal(detail)
	r.expect(t, status, `{"detail":`+string(quoted)+`,"request_id":"r-1"}`)
	if r.decision.Refusal == nil || r.decision.Refusal.Status != status {
		t.Errorf("left for the log: %+v", r.decision.Refusal)
	}
}

// field returns a text in the answer's JSON object.
func (r reply) field(t testing.TB, name string) string {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(r.body), &fields); err != nil {
		t.Fatalf("read %d %s: %v", r.status, r.body, err)
	}
	text, _ := fields[name].(string)
	return text
}

func (f *endpointServer) tokenOf(t testing.TB, user store.User) string {
	t.Helper()
	token, err := f.signer.Token(user.ID, user.Email, user.CompanyID)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestFind(t *testing.T) {
	f := newEndpointServer(t, authtest.OpenSQLite(t), nil)
	for _, path := range []string{
		"", "/", "/login/", "/Login", "/%6Cogin", "/me/", "/me/ensure-company/", "/me/other", "/login/x", "//login", "/./login", "/login%2F",
	} {
		for _, method := range []string{"GET", "POST"} {
			f.send(t, method, path, "", "").expectDetail(t, 404, "Not Found")
		}
	}
	for _, test := range []struct{ method, path, allow string }{
		{"GET", "/login", "POST"},
		{"PUT", "/login", "POST"},
		{"OPTIONS", "/login", "POST"},
		{"BREW", "/login", "POST"},
		{"POST", "/me", "GET, HEAD"},
		{"GET", "/me/ensure-company", "POST"},
		{"POST", "/me/password", "PUT"},
	} {
		got := f.send(t, test.method, test.path, "", "")
		got.expectDetail(t, 405, "Method Not Allowed")
		if allow := got.header.Get("Allow"); allow != test.allow {
			t.Errorf("%s %s: Allow = %q, want %q", test.method, test.path, allow, test.allow)
		}
	}
}

// Each endpoint has its policy. All except the login require a token, and none
// requires a company.
func TestEndpointPolicies(t *testing.T) {
	f := newEndpointServer(t, authtest.OpenSQLite(t), nil)
	for _, endpoint := range New(Options{}).endpoints {
		got := f.send(t, endpoint.method, endpoint.path, "", "")
		if endpoint.path == "/login" {
			if got.status != 422 {
				t.Errorf("login: %d %s", got.status, got.body)
			}
			continue
		}
		got.expectDetail(t, 401, "Not authenticated")
		if got.decision.Refusal == nil || got.decision.Refusal.AuthResult != string(auth.ResultNoToken) {
			t.Errorf("%s: left for the log: %+v", endpoint.path, got.decision)
		}
		if endpoint.policy != config.PolicyInitial {
			t.Errorf("%s: policy %s", endpoint.path, endpoint.policy)
		}
	}
}

func TestMe(t *testing.T) {
	authtest.EachStore(t, func(t *testing.T, users store.Store) {
		f := newEndpointServer(t, users, nil)
		id := uuid.MustParse("0d9ff6c2-8d8d-4a4e-9d53-6f3b8a1c2e10")
		user := authtest.AddUser(t, users, store.User{ID: id, Email: "Ann@Example.com", Active: true})
		want := `{"user_id":"0d9ff6c2-8d8d-4a4e-9d53-6f3b8a1c2e10","email":"ann@example.com","full_name":null,"role":"user",` +
			`"company_id":null,"is_active":true,"created_at":"2026-03-14T12:00:00Z","last_login":null}`
		got := f.send(t, "GET", "/me", f.tokenOf(t, user), "")
		got.expect(t, 200, want)
		if got.decision.Refusal != nil || got.decision.Identity.UserID != user.ID.String() {
			t.Errorf("left for the log: %+v", got.decision)
		}
		head := f.send(t, "HEAD", "/me", f.tokenOf(t, user), "")
		head.expect(t, 200, "")
	})
}

func TestChangePassword(t *testing.T) {
	authtest.EachStore(t, func(t *testing.T, users store.Store) {
		f := newEndpointServer(t, users, nil)
		user := authtest.AddUser(t, users, store.User{Email: "ann@example.com", Active: true, HashedPassword: hashOfCorrectHorse})
		token := f.tokenOf(t, user)
		login := func(password string) int {
			return f.send(t, "POST", "/login", "", `{"email":"ann@example.com","password":"`+password+`"}`).status
		}

		wrong := f.send(t, "PUT", "/me/password", token, `{"old_password":"wrong horse","new_password":"battery staple"}`)
		wrong.expectDetail(t, 403, "Incorrect password")
		for body, want := range map[string]string{
			`{}`: `{"type":"missing","loc":["body","old_password"],"msg":"Field required"},` +
				`{"type":"missing","loc":["body","new_password"],"msg":"Field required"}`,
			`{"old_password":"correct horse","new_password":"short"}`:                           `{"type":"string_too_short","loc":["body","new_password"],"msg":"String should have at least 6 characters"}`,
			`{"old_password":"correct horse","new_password":"` + strings.Repeat("ä", 37) + `"}`: `{"type":"string_too_long","loc":["body","new_password"],"msg":"String should have at most 72 bytes"}`,
			`{"old_password":"correct horse","new_password":"NUL\u0000byte"}`:                   `{"type":"value_error","loc":["body","new_password"],"msg":"password is not text: want UTF-8 without NUL characters"}`,
			``: `{"type":"missing","loc":["body"],"msg":"Field required"}`,
		} {
			f.send(t, "PUT", "/me/password", token, body).expect(t, 422, `{"detail":[`+want+`],"request_id":"r-1"}`)
		}
		if got := login("correct horse"); got != 200 {
			t.Errorf("the old password before the change: %d", got)
		}

		f.send(t, "PUT", "/me/password", token, `{"old_password":"correct horse","new_password":"battery staple"}`).expect(t, 204, "")
		if got := login("correct horse"); got != 401 {
			t.Errorf("the old password: %d", got)
		}
		if got := login("battery staple"); got != 200 {
			t.Errorf("the new password: %d", got)
		}
	})
}

// When the database is down, every endpoint answers 503, and the log contains
// nothing of the request.
func TestStoreAway(t *testing.T) {
	users := authtest.OpenSQLite(t)
	f := newEndpointServer(t, users, nil)
	user := authtest.AddUser(t, users, store.User{Email: "ann@example.com", Active: true})
	token := f.tokenOf(t, user)
	users.Close()
	for _, test := range []struct{ method, path, token, body string }{
		{"POST", "/login", "", `{"email":"ann@example.com","password":"correct horse"}`},
		{"GET", "/me", token, ""},
		{"POST", "/me/ensure-company", token, ""},
		{"PUT", "/me/password", token, `{"old_password":"correct horse","new_password":"battery staple"}`},
	} {
		got := f.send(t, test.method, test.path, test.token, test.body)
		got.expectDetail(t, 503, "The user database cannot be reached.")
		if got.header.Get("Retry-After") != "1" || got.decision.Refusal.Cause == nil {
			t.Errorf("%s: %v, cause %v", test.path, got.header, got.decision.Refusal.Cause)
		}
	}
	if want := []string{LoginUnavailable}; !slices.Equal(f.logins.results, want) {
		t.Errorf("logins = %v", f.logins.results)
	}
}

// The Gate may remember a user while the database is down.
func TestStoreAwayBehindGate(t *testing.T) {
	users := authtest.OpenSQLite(t)
	f := newEndpointServer(t, users, func(options *Options) {
		options.Gate = auth.NewGate(auth.NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon), oneUser{Active: true, Role: "user"})
	})
	users.Close()
	token := f.tokenOf(t, store.User{ID: uuid.New()})
	f.send(t, "GET", "/me", token, "").expectDetail(t, 503, "The user database cannot be reached.")
}

// An aborted request must not count as a shorter one.
func TestBodyEndsEarly(t *testing.T) {
	f := newEndpointServer(t, authtest.OpenSQLite(t), nil)
	client := testkit.Dial(t, f.URL)
	client.Send("POST /api/v1/users/login HTTP/1.1\r\nHost: gatehouse\r\nContent-Length: 100\r\n\r\n{}")
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if decision := <-f.decisions; decision.Refusal == nil || decision.Refusal.Status != 400 {
		t.Errorf("left for the log: %+v", decision.Refusal)
	}
}

// The row may be deleted or changed between the Gate's check and the
// endpoint's.
func TestUserGone(t *testing.T) {
	users := authtest.OpenSQLite(t)
	ring := keystest.NewRing(t, authtest.Secret)
	// This gate remembers every user.
	f := newEndpointServer(t, users, func(options *Options) {
		options.Gate = auth.NewGate(auth.NewVerifier(ring, nil, authtest.AtNoon), oneUser{Active: true, Role: "user"})
		options.DefaultCompanyID = &authtest.Acme
	})
	retired := authtest.AddUser(t, users, store.User{Email: "ann@example.com"})
	for _, endpoint := range []struct{ method, path, body string }{
		{"GET", "/me", ""},
		{"POST", "/me/ensure-company", ""},
		{"PUT", "/me/password", `{"old_password":"correct horse","new_password":"battery staple"}`},
	} {
		gone := f.send(t, endpoint.method, endpoint.path, f.tokenOf(t, store.User{ID: uuid.New()}), endpoint.body)
		gone.expectDetail(t, 404, "User associated with token not found in database.")
		disabled := f.send(t, endpoint.method, endpoint.path, f.tokenOf(t, retired), endpoint.body)
		disabled.expectDetail(t, 401, "User associated with token is inactive.")
	}
}
