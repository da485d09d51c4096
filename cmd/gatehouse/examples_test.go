package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"gatehouse/store/storetest"
)

const listedCompany = "9b8f7e6d-5c4b-4a39-8877-665544332222"

// reportingBackend answers with its name, the target it was asked for, and the identity
// it was given.
func reportingBackend(t *testing.T, name string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(strings.Join([]string{
			name, r.Method, r.RequestURI, r.Header.Get("X-User-ID"), r.Header.Get("X-Company-ID"), r.Header.Get("X-User-Email"),
		}, " ")))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func originalBackends(t *testing.T) map[string]string {
	return map[string]string{
		"GATEWAY_QUERY_SERVICE_URL":  reportingBackend(t, "query"),
		"GATEWAY_INGEST_SERVICE_URL": reportingBackend(t, "ingest"),
		"GATEWAY_AUTH_SERVICE_URL":   reportingBackend(t, "auth"),
	}
}

// TestAtenex runs the second original system as a route table, on both stores:
// a newcomer logs in, joins the default company, and reaches the services.
func TestAtenex(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "users.db") },
		"postgres": func(t *testing.T) string { return storetest.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := originalBackends(t)
			settings["GATEWAY_DATABASE_URL"] = url(t)
			settings["GATEWAY_DEFAULT_COMPANY_ID"] = listedCompany
			user := addUser(t, settings["GATEWAY_DATABASE_URL"], "ann@example.com", nil)
			gateway := start(t, "../../examples/atenex.yaml", settings)

			token := login(t, gateway, "Ann@Example.com")
			chats := gateway.url + "/api/v1/query/chats?limit=2"
			if a := do(t, request{url: chats, token: token}); a.status != http.StatusForbidden ||
				a.field(t, "detail") != "User authenticated, but required company association is missing or invalid in token." {
				t.Errorf("a newcomer at a strict route: %d %s", a.status, a.body)
			}
			joined := do(t, request{method: http.MethodPost, url: gateway.url + "/api/v1/users/me/ensure-company", token: token})
			if want := "Company association successfully updated to " + listedCompany + "."; joined.status != http.StatusOK || joined.field(t, "message") != want {
				t.Fatalf("ensure-company: %d %s", joined.status, joined.body)
			}
			token = joined.field(t, "new_access_token")
			a := do(t, request{url: chats, token: token})
			if want := "query GET /api/v1/query/chats?limit=2 " + user.ID.String() + " " + listedCompany + " ann@example.com"; a.body != want {
				t.Errorf("a member at a strict route:\n got %s\nwant %s", a.body, want)
			}
			if a := do(t, request{method: http.MethodPost, url: gateway.url + "/api/v1/ingest/upload", token: token, body: "{}"}); !strings.HasPrefix(a.body, "ingest POST /api/v1/ingest/upload ") {
				t.Errorf("upload: %d %s", a.status, a.body)
			}
			if a := do(t, request{url: gateway.url + "/api/v1/auth/anything"}); a.body != "auth GET /api/v1/auth/anything   " {
				t.Errorf("an open route: %d %q", a.status, a.body)
			}
			if a := do(t, request{url: gateway.url + "/health"}); a.body != `{"status":"healthy","service":"Atenex API Gateway","checks":{"database_connection":"ok"}}` {
				t.Errorf("health: %d %s", a.status, a.body)
			}
			if a := do(t, request{url: gateway.url + "/"}); a.body != `{"message":"Atenex API Gateway is running!"}` {
				t.Errorf("root: %d %s", a.status, a.body)
			}
			if err := gateway.stop(); err != nil { // the log is whole at its end
				t.Fatal(err)
			}
			log := gateway.log.String()
			if !strings.Contains(log, `"path":"/api/v1/query/chats"`) || !strings.Contains(log, `"path":"/"`) {
				t.Errorf("the log lacks requests:\n%s", log)
			}
			if strings.Contains(log, token) || strings.Contains(log, testPassword) || strings.Contains(log, "limit=2") {
				t.Error("the log holds a token, a password or a query string")
			}
		})
	}
}

// TestNyro runs the first original system: tokens come from elsewhere, with
// ids of any form, and there is no store at all.
func TestNyro(t *testing.T) {
	t.Parallel()
	gateway := start(t, "../../examples/nyro.yaml", originalBackends(t))
	sign := func(claims jwt.MapClaims) string {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(testSecret))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	hour := time.Now().Add(time.Hour).Unix()
	member := sign(jwt.MapClaims{"sub": "user-7", "company_id": "acme", "exp": hour})

	if a := do(t, request{method: http.MethodPut, url: gateway.url + "/api/v1/ingest/a/b?c=d", token: member}); a.body != "ingest PUT /api/v1/ingest/a/b?c=d user-7 acme " {
		t.Errorf("a member: %d %s", a.status, a.body)
	}
	for name, test := range map[string]struct {
		token     string
		status    int
		challenge string
	}{
		"no token":   {"", 401, "Bearer"},
		"no company": {sign(jwt.MapClaims{"sub": "user-7", "exp": hour}), 403, `Bearer error="insufficient_scope"`},
		"no subject": {sign(jwt.MapClaims{"company_id": "acme", "exp": hour}), 401, `Bearer error="invalid_token"`},
		"no expiry":  {sign(jwt.MapClaims{"sub": "user-7", "company_id": "acme"}), 401, `Bearer error="invalid_token"`},
		"forged":     {member + "x", 401, `Bearer error="invalid_token"`},
	} {
		a := do(t, request{url: gateway.url + "/api/v1/query/chats", token: test.token})
		if a.status != test.status || a.header.Get("WWW-Authenticate") != test.challenge {
			t.Errorf("%s: %d, challenge %q; want %d, %q", name, a.status, a.header.Get("WWW-Authenticate"), test.status, test.challenge)
		}
	}
	if a := do(t, request{method: http.MethodPost, url: gateway.url + "/api/auth/login"}); a.body != "auth POST /api/auth/login   " {
		t.Errorf("the open route: %d %q", a.status, a.body)
	}
	if a := do(t, request{url: gateway.url + "/health"}); a.body != `{"status":"healthy","service":"Nyro API Gateway"}` {
		t.Errorf("health: %d %s", a.status, a.body)
	}
	if a := do(t, request{url: gateway.operators + "/metrics"}); strings.Contains(a.body, "gatehouse_store_up") {
		t.Error("there is a metric of a store that is not there")
	}
	if _, err := uuid.Parse(do(t, request{url: gateway.url + "/"}).header.Get("X-Request-ID")); err != nil {
		t.Errorf("request id: %v", err)
	}
}
