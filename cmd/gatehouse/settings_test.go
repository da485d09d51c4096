package main

// This file tests that the settings and bounds in docs/settings.md and
// SECURITY.md reach the real binary (issue 10: a setting that is read but not
// used passes every other test).

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/net/http2"

	"gatehouse/store/storetest"
)

// TestPortAlone serves on PORT when nothing else says where.
func TestPortAlone(t *testing.T) {
	t.Parallel()
	p := startProcess(t, openTable(t, reportingBackend(t, "backend")), map[string]string{"GATEWAY_LISTEN": "", "PORT": "0"})
	if port := p.url[strings.LastIndex(p.url, ":"):]; port == ":8080" {
		t.Errorf("it listens on %s", p.url)
	}
	if a := do(t, request{url: p.url + "/open"}); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestDatabaseInPieces logs in where GATEWAY_POSTGRES_* say, with a token of the
// algorithm that GATEWAY_JWT_ALGORITHM says.
func TestDatabaseInPieces(t *testing.T) {
	t.Parallel()
	server := storetest.StartPostgres(t)
	direct := server.Database(t)
	company := uuid.MustParse(listedCompany)
	addUser(t, direct, "ann@example.com", &company)
	storetest.RawSQL(t, direct)("CREATE ROLE pieces LOGIN SUPERUSER PASSWORD 'p@ss/word?'")
	relay := newDatabaseRelay(t, server.Socket())
	host, port, _ := strings.Cut(relay.address, ":")
	p := startProcess(t, revocationTable(t, "30s"), map[string]string{
		"GATEWAY_POSTGRES_USER": "pieces", "GATEWAY_POSTGRES_PASSWORD": "p@ss/word?",
		"GATEWAY_POSTGRES_SERVER": host, "GATEWAY_POSTGRES_PORT": port, "GATEWAY_POSTGRES_DB": databaseOf(t, direct),
		"GATEWAY_JWT_ALGORITHM": "HS512", "GATEWAY_JWT_SECRET": strings.Repeat("q8Zk2mXw7rTn5vBc", 4) + "end",
	})
	gateway := &running{url: p.url, operators: p.operators, log: p.log}
	token := login(t, gateway, "ann@example.com")
	head, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var header struct {
		Alg string `json:"alg"`
	}
	if err := json.Unmarshal(text, &header); err != nil || header.Alg != "HS512" {
		t.Errorf("the token's header is %s, %v", text, err)
	}
	if a := do(t, request{url: gateway.url + "/member", token: token}); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	if opened, _ := relay.counts(); opened == 0 {
		t.Error("nobody connected to the server that the pieces name")
	}
	if strings.Contains(p.log.String(), "p@ss") {
		t.Error("the log has the password")
	}
}

// TestConnectionsToOneBackend checks GATEWAY_HTTP_CLIENT_MAX_CONNECTIONS: with
// one connection, a second request waits for the first.
func TestConnectionsToOneBackend(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"lean", "standard"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			var now, most atomic.Int64
			backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				at := now.Add(1)
				defer now.Add(-1)
				for seen := most.Load(); at > seen && !most.CompareAndSwap(seen, at); seen = most.Load() {
				}
				_, _ = io.WriteString(w, "fine")
			}))
			t.Cleanup(backend.Close)
			p := startProcess(t, openTable(t, backend.URL), map[string]string{
				"GATEWAY_HTTP_CLIENT_MAX_CONNECTIONS": "1", "GATEWAY_TRANSPORT": transport,
			})
			statuses := make(chan int)
			for range 50 {
				go func() {
					res, err := http.Get(p.url + "/open")
					if err != nil {
						statuses <- 0
						return
					}
					defer res.Body.Close()
					_, _ = io.Copy(io.Discard, res.Body)
					statuses <- res.StatusCode
				}()
			}
			for range 50 {
				if status := <-statuses; status != http.StatusOK {
					t.Errorf("a request: %d", status)
				}
			}
			if most.Load() != 1 {
				t.Errorf("%d requests at once, want 1", most.Load())
			}
		})
	}
}

// TestHTTP2IsBounded reads the bounds that the gateway announces.
func TestHTTP2IsBounded(t *testing.T) {
	t.Parallel()
	certificate, key, roots := selfSigned(t)
	p := startProcess(t, openTable(t, reportingBackend(t, "backend")), map[string]string{"GATEWAY_TLS_CERT_FILE": certificate, "GATEWAY_TLS_KEY_FILE": key})
	conn := dialClient(t, p, "h2", roots)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	frame, err := framer.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	announced, ok := frame.(*http2.SettingsFrame)
	if !ok {
		t.Fatalf("the first frame is %v", frame)
	}
	for id, want := range map[http2.SettingID]uint32{
		http2.SettingMaxConcurrentStreams: 250, http2.SettingInitialWindowSize: 1 << 20,
	} {
		if got, _ := announced.Value(id); got != want {
			t.Errorf("%v is %d, SECURITY.md says %d", id, got, want)
		}
	}
}
