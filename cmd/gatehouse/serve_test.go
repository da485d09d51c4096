package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/demo"
	"gatehouse/internal/testkit"
	"gatehouse/store/storetest"
)

// openTable is a table with one open route, and no users.
func openTable(t testing.TB, backend string) string {
	return testkit.TempFile(t, "routes.yaml", "users: off\nroutes:\n  - {name: open, prefix: /open, backend: '"+backend+"', auth: none}\n")
}

// TestStopsGracefully sends the real binary SIGTERM while a request is in
// flight: no new ones, the old one finishes, exit 0.
func TestStopsGracefully(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, "finished")
	}))
	defer backend.Close()
	process := startProcess(t, openTable(t, backend.URL), nil)

	answered := make(chan answer, 1)
	go func() { answered <- do(t, request{url: process.url + "/open"}) }()
	<-arrived
	if err := process.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the public port is closed", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(process.url, "http://"))
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	if a := do(t, request{url: process.operators + "/readyz"}); a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "draining") {
		t.Errorf("readyz while draining: %d %s", a.status, a.body)
	}
	close(release)
	if a := <-answered; a.status != http.StatusOK || a.body != "finished" {
		t.Errorf("the request in flight: %d %q", a.status, a.body)
	}
	if err := process.cmd.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, process.log)
	}
}

// process is the real binary, running.
type process struct {
	cmd            *exec.Cmd
	url, operators string
	log            *testkit.Log
}

// startProcess runs `serve` and waits until it says that it does.
func startProcess(t testing.TB, table string, settings map[string]string) *process {
	t.Helper()
	return startCommand(t, exec.Command(buildGateway(t), "serve", "-c", table), settings)
}

// startCommand is startProcess for a command that runs `serve` in its own way.
func startCommand(t testing.TB, command *exec.Cmd, settings map[string]string) *process {
	t.Helper()
	p := &process{cmd: command, log: new(testkit.Log)}
	if p.cmd.Dir == "" {
		p.cmd.Dir = t.TempDir()
	}
	p.cmd.Stderr = p.log
	p.cmd.Env = []string{"GATEWAY_LISTEN=127.0.0.1:0", "GATEWAY_OPS_LISTEN=127.0.0.1:0", "GATEWAY_JWT_SECRET=" + testSecret, "GATEWAY_BCRYPT_COST=4"}
	for name, value := range settings {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	testkit.EventuallyWithin(t, startTimeout, "the gateway says that it serves", func() bool {
		for line := range strings.Lines(p.log.String()) {
			if strings.HasPrefix(line, "gatehouse: ") {
				t.Fatalf("the gateway did not start: %s", line)
			}
			var said struct {
				Msg, Listen string
				OpsListen   string `json:"ops_listen"`
			}
			if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "serving" {
				p.url, p.operators = "http://"+said.Listen, "http://"+said.OpsListen
				return true
			}
		}
		return false
	})
	return p
}

// residentPeak returns a process's highest resident set so far, in bytes.
func residentPeak(t *testing.T, pid int) int64 {
	t.Helper()
	status := testkit.ReadFile(t, fmt.Sprintf("/proc/%d/status", pid))
	match := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if match == nil {
		t.Fatalf("no VmHWM in\n%s", status)
	}
	kilobytes, _ := strconv.ParseInt(string(match[1]), 10, 64)
	return kilobytes << 10
}

// TestResidentSet streams far more through the real binary than it may ever
// hold: up, down, and several at once.
func TestResidentSet(t *testing.T) {
	t.Parallel()
	const size, bound = 256 << 20, 64 << 20
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Received", strconv.FormatInt(n, 10))
		if r.Method == http.MethodGet {
			_, _ = io.CopyN(w, zeros{}, size)
		}
	}))
	defer backend.Close()
	process := startProcess(t, openTable(t, backend.URL), nil)

	failed := make(chan error, 4)
	for range 2 {
		go func() { failed <- download(process.url+"/open", size) }()
		go func() { failed <- upload(process.url+"/open", size) }()
	}
	for range 4 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if peak := residentPeak(t, process.cmd.Process.Pid); peak > bound {
		t.Errorf("resident set reached %d MiB: want less than %d MiB", peak>>20, bound>>20)
	}
}

// zeros reads as zero bytes without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func download(url string, size int64) error {
	res, err := http.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if n, err := io.Copy(io.Discard, res.Body); err != nil || n != size {
		return fmt.Errorf("downloaded %d bytes: %w", n, err)
	}
	return nil
}

func upload(url string, size int64) error {
	res, err := http.Post(url, "application/octet-stream", io.LimitReader(zeros{}, size))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if got := res.Header.Get("X-Received"); got != strconv.FormatInt(size, 10) {
		return fmt.Errorf("the backend received %s bytes of %d", got, size)
	}
	return nil
}

// TestStoreGoesAway stops the database of a running gateway. Requests that need
// it must get 503, others must work, and the gateway must stay ready and
// recover by itself.
func TestStoreGoesAway(t *testing.T) {
	t.Parallel()
	server := storetest.StartPostgres(t)
	url := server.Database(t)
	company := uuid.MustParse(listedCompany)
	addUser(t, url, "ann@example.com", &company)
	settings := originalBackends(t)
	settings["GATEWAY_DATABASE_URL"] = url
	text := testkit.ReadFile(t, "../../examples/atenex.yaml")
	withoutGrace := strings.Replace(string(text), "\nusers:\n", "\nusers:\n  grace: 0s\n", 1)
	gateway := start(t, testkit.TempFile(t, "routes.yaml", withoutGrace), settings)
	token := login(t, gateway, "ann@example.com")
	strict := request{url: gateway.url + "/api/v1/query/chats", token: token}
	if a := do(t, strict); a.status != http.StatusOK {
		t.Fatalf("before: %d %s", a.status, a.body)
	}

	server.Stop(t)
	testkit.Eventually(t, "a strict request is refused with 503", func() bool { return do(t, strict).status == http.StatusServiceUnavailable })
	if a := do(t, strict); a.header.Get("Retry-After") == "" || strings.Contains(a.body, "postgres") {
		t.Errorf("the refusal: %v %s", a.header, a.body)
	}
	if a := do(t, request{method: http.MethodPost, url: gateway.url + "/api/v1/users/login", body: `{"email":"ann@example.com","password":"correct horse"}`}); a.status != http.StatusServiceUnavailable {
		t.Errorf("login: %d %s", a.status, a.body)
	}
	if a := do(t, request{url: gateway.url + "/api/v1/auth/x"}); a.status != http.StatusOK {
		t.Errorf("an open route: %d %s", a.status, a.body)
	}
	testkit.Eventually(t, "the metric tells", func() bool {
		return strings.Contains(do(t, request{url: gateway.operators + "/metrics"}).body, "gatehouse_store_up 0")
	})
	if a := do(t, request{url: gateway.operators + "/readyz"}); a.status != http.StatusOK || !strings.Contains(a.body, "does not answer") {
		t.Errorf("readyz: %d %s", a.status, a.body)
	}
	if a := do(t, request{url: gateway.url + "/health"}); !strings.Contains(a.body, `"failed (warning)"`) {
		t.Errorf("health: %d %s", a.status, a.body)
	}

	server.Start(t)
	testkit.Eventually(t, "strict requests pass again", func() bool { return do(t, strict).status == http.StatusOK })
	testkit.Eventually(t, "the metric tells", func() bool {
		return strings.Contains(do(t, request{url: gateway.operators + "/metrics"}).body, "gatehouse_store_up 1")
	})
}

// TestStoreDownAtStart wants a refusal that names the host, not the password.
func TestStoreDownAtStart(t *testing.T) {
	t.Parallel()
	address := testkit.RefusingAddress(t)
	settings := originalBackends(t)
	settings["GATEWAY_DATABASE_URL"] = "postgres://gate:sesame@" + address + "/users"
	g, log := newGateway(t, "../../examples/atenex.yaml", settings)
	g.StoreWait = time.Second
	err := serve(t.Context(), *g)
	if err == nil || !strings.Contains(err.Error(), address) {
		t.Errorf("run: %v; want an error that names %s", err, address)
	}
	if strings.Contains(fmt.Sprint(err)+log.String(), "sesame") {
		t.Errorf("the password is told: %v\n%s", err, log)
	}
}

// TestStopsWhileWaitingForStore ends a start that would wait for long.
func TestStopsWhileWaitingForStore(t *testing.T) {
	t.Parallel()
	settings := originalBackends(t)
	settings["GATEWAY_DATABASE_URL"] = "postgres://gate:sesame@127.0.0.1:1/users"
	g, log := newGateway(t, "../../examples/atenex.yaml", settings)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, *g) }()
	testkit.Eventually(t, "the start is under way", func() bool { return strings.Contains(log.String(), "settings") })
	cancel()
	if err := testkit.Receive(t, "the end of the start", done); err != nil {
		t.Errorf("run: %v", err)
	}
}

// TestPortInUse wants the address, and what to do.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken := testkit.Listen(t)
	for _, setting := range []string{"GATEWAY_LISTEN", "GATEWAY_OPS_LISTEN"} {
		g, _ := newGateway(t, openTable(t, "http://127.0.0.1:9"), map[string]string{setting: taken.Addr().String()})
		var said bytes.Buffer
		printError(&said, serve(t.Context(), *g))
		if !strings.Contains(said.String(), taken.Addr().String()+": the address is in use") || !strings.Contains(said.String(), setting) {
			t.Errorf("%s: %s", setting, said.String())
		}
	}
}

// TestServesTLS speaks HTTP/2 to clients that want it.
func TestServesTLS(t *testing.T) {
	t.Parallel()
	certificate, key, roots := selfSigned(t)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-Proto"))
	}))
	defer backend.Close()
	gateway := start(t, openTable(t, backend.URL), map[string]string{
		"GATEWAY_TLS_CERT_FILE": certificate, "GATEWAY_TLS_KEY_FILE": key,
	})
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get(gateway.url + "/open")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.ProtoMajor != 2 || string(body) != "https" {
		t.Errorf("got HTTP/%d and %q", res.ProtoMajor, body)
	}
}

// selfSigned makes a certificate for 127.0.0.1.
func selfSigned(t testing.TB) (certificate, key string, roots *x509.CertPool) {
	t.Helper()
	return selfSignedUntil(t, time.Now().Add(time.Hour))
}

// selfSignedUntil is selfSigned with a time at which the certificate expires.
func selfSignedUntil(t testing.TB, expires time.Time) (certificate, key string, roots *x509.CertPool) {
	t.Helper()
	certPEM, keyPEM := testkit.SelfSigned(t, expires)
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	return testkit.TempFile(t, "cert.pem", certPEM), testkit.TempFile(t, "key.pem", keyPEM), roots
}

// TestDemo runs the commands that the demonstration prints.
func TestDemo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, log := new(testkit.Log), new(testkit.Log)
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"demo"}, terminal{out: out, err: log, lookup: os.LookupEnv}) }()
	testkit.EventuallyWithin(t, startTimeout, "the demo prints its commands", func() bool { return strings.Contains(out.String(), "/readyz") })
	match := regexp.MustCompile(`running on (http://\S+) `).FindStringSubmatch(out.String())
	if match == nil {
		t.Fatalf("no address in\n%s", out)
	}
	url := match[1]
	a := do(t, request{
		method: http.MethodPost, url: url + "/api/v1/users/login",
		body: `{"email":"` + demo.Email + `","password":"` + demo.Password + `"}`,
	})
	token := a.field(t, "access_token")
	var seen demo.Echo
	a = do(t, request{url: url + "/api/v1/query/chats", token: token, header: http.Header{"X-User-ID": {"somebody-else"}}})
	if err := json.Unmarshal([]byte(a.body), &seen); err != nil {
		t.Fatal(err)
	}
	if seen.Headers["X-Company-Id"] != demo.Company || seen.Headers["X-User-Email"] != demo.Email || seen.Headers["X-User-Id"] == "somebody-else" {
		t.Errorf("the backend saw %v", seen.Headers)
	}
	if a := do(t, request{url: url + "/api/v1/query/chats"}); a.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", a.status)
	}
	if a := do(t, request{url: url + "/api/v1/open/hello"}); a.status != http.StatusOK {
		t.Errorf("the open route: %d", a.status)
	}
	cancel()
	if status := <-done; status != exitOK {
		t.Errorf("exit status %d\n%s", status, log)
	}
	if strings.Contains(log.String(), `msg="route table"`) {
		t.Errorf("the demo's own table is warned of:\n%s", log)
	}
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "msg=settings") && (len(line) > 500 || strings.Contains(line, "GATEWAY_IDLE_TIMEOUT")) {
			t.Errorf("settings that are as by default are logged: %s", line)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "gatehouse-demo-*")); len(left) > 0 {
		t.Logf("folders of demos in %s: %v (another may be running)", os.TempDir(), left)
	}
}

// TestGuessingIsThrottledAcrossReplicas guesses at one gateway and is refused
// by the other. The address comes from a trusted proxy's header and is not the
// proxy's own.
func TestGuessingIsThrottledAcrossReplicas(t *testing.T) {
	t.Parallel()
	for kind, url := range map[string]string{
		"postgres": storetest.Postgres(t), "sqlite": "sqlite:" + filepath.Join(t.TempDir(), "users.db"),
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			addUser(t, url, "ann@example.com", nil)
			table := testkit.TempFile(t, "routes.yaml", "trusted_proxies: [127.0.0.0/8]\nroutes:\n  - {name: users, prefix: /api/v1/users, handler: users}\n")
			settings := map[string]string{"GATEWAY_DATABASE_URL": url}
			first, second := start(t, table, settings), start(t, table, settings)
			try := func(gateway *running, client, password string) answer {
				return do(t, request{
					method: http.MethodPost, url: gateway.url + "/api/v1/users/login",
					body:   `{"email":"ann@example.com","password":"` + password + `"}`,
					header: http.Header{"X-Forwarded-For": {client}},
				})
			}
			// Waits are real here: guess until they are long enough to be seen.
			testkit.Eventually(t, "the guesser has to wait some seconds", func() bool {
				wait, _ := strconv.Atoi(try(first, "192.0.2.1", "wrong horse").header.Get("Retry-After"))
				return wait >= 4
			})
			a := try(second, "192.0.2.1", testPassword)
			if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "Too many attempts.") {
				t.Errorf("the other replica: %d %s", a.status, a.body)
			}
			for _, gateway := range []*running{first, second} {
				if a := try(gateway, "192.0.2.2", testPassword); a.status != http.StatusOK {
					t.Errorf("the owner from elsewhere: %d %s", a.status, a.body)
				}
			}
			if a := do(t, request{url: second.operators + "/metrics"}); !strings.Contains(a.body, `gatehouse_login_attempts_total{result="throttled"} 1`) {
				t.Error("metrics do not tell of a throttled login")
			}
		})
	}
}
