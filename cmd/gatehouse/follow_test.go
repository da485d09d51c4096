package main

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gatehouse/internal/testkit"
)

// partTable is a table whose last line protects the route against GET.
func partTable(backend string) (head, tail string) {
	return "users: off\nroutes:\n  - name: adm\n    prefix: /adm\n    backend: " + backend + "\n    auth: none\n", "    methods: [POST]\n"
}

// TestPartOfTable uses a writer that pauses and dies in the middle of a table
// whose first part is also a valid table. What the rest protects must stay
// protected.
func TestPartOfTable(t *testing.T) {
	t.Parallel()
	head, tail := partTable(reportingBackend(t, "backend"))
	file := testkit.TempFile(t, "routes.yaml", head+tail)
	gateway := startProcess(t, file, nil)
	status := func() int { return do(t, request{url: gateway.url + "/adm"}).status }
	closed := func(when string) {
		t.Helper()
		if got := status(); got != http.StatusMethodNotAllowed {
			t.Fatalf("%s: %d", when, got)
		}
	}
	logs := func(text string, times int) func() bool {
		return func() bool { return strings.Count(gateway.log.String(), text) >= times }
	}
	const waits, part = "a file is being written in place", "holds only the beginning of the route table"
	closed("at first")

	// A pause with the file closed.
	testkit.WriteFile(t, file, head)
	testkit.Eventually(t, "the log says what is waited for", logs(waits, 1))
	closed("in the pause")
	testkit.WriteFile(t, file, head+tail)

	// A pause with the file open, before the writer writes another table.
	before := metric(t, gateway.operators, `gatehouse_config_reloads_total{result="success"}`)
	writer, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	for _, piece := range []string{"# edited\n# again\n" + head, tail} {
		if _, err := writer.WriteString(piece); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "the log says that the writer has not closed the file", logs("its writer has not closed it", 1))
		closed("while it is being written")
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the whole table is served", func() bool {
		return metric(t, gateway.operators, `gatehouse_config_reloads_total{result="success"}`) != before
	})
	closed("with the other table")

	// A writer that dies: the gateway cannot know this, so the operator must
	// ask for a reload.
	testkit.WriteFile(t, file, "# edited\n# again\n"+head)
	testkit.Eventually(t, "the part is refused", logs(part, 1))
	closed("after the writer has died")
	testkit.Eventually(t, "the metric says so", func() bool {
		return metric(t, gateway.operators, "gatehouse_config_last_reload_successful") == "0"
	})
	if a := do(t, request{method: http.MethodPost, url: gateway.operators + "/-/reload"}); a.status != http.StatusOK {
		t.Errorf("a reload that is asked for: %d %s", a.status, a.body)
	}
	if got := status(); got != http.StatusOK {
		t.Errorf("after a reload that was asked for: %d", got)
	}
	testkit.WriteFile(t, file, "# edited\n# again\n"+head+tail)
	testkit.Eventually(t, "the whole table is served again", func() bool { return status() == http.StatusMethodNotAllowed })
}

// TestBackendFilesAreRenewed renews the authority for a backend and the client
// certificate for it, without a reload: those of a route, and those of a named backend.
func TestBackendFilesAreRenewed(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]string{
		"route":   "routes:\n  - {name: open, prefix: /open, backend: 'BACKEND', auth: none, tls: TLS}\n",
		"backend": "backends: {app: {servers: ['BACKEND'], tls: TLS}}\nroutes:\n  - {name: open, prefix: /open, backend: app, auth: none}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testRenewedBackendFiles(t, table)
		})
	}
}

// testRenewedBackendFiles renews files of a table whose route open leads to BACKEND with TLS.
func testRenewedBackendFiles(t *testing.T, table string) {
	oldCert, oldKey, _ := selfSigned(t)
	authority := testkit.TempFile(t, "ca.pem", testkit.ReadFile(t, oldCert))
	cert, key := testkit.TempFile(t, "mine.pem", testkit.ReadFile(t, oldCert)), testkit.TempFile(t, "mine.key", testkit.ReadFile(t, oldKey))
	backend := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(r.TLS.PeerCertificates[0].Raw)
	}))
	served := func(certFile, keyFile string) *tls.Certificate {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		return &pair
	}
	shown := make(chan *tls.Certificate, 1)
	shown <- served(oldCert, oldKey)
	backend.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		current := <-shown
		shown <- current
		return &tls.Config{ClientAuth: tls.RequireAnyClientCert, Certificates: []tls.Certificate{*current}}, nil
	}}
	backend.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	backend.StartTLS()
	defer backend.Close()
	table = strings.NewReplacer("BACKEND", backend.URL, "TLS", "{ca: "+authority+", cert: "+cert+", key: "+key+"}").Replace(table)
	gateway := startProcess(t, testkit.TempFile(t, "routes.yaml", "users: off\n"+table), nil)
	if a := do(t, request{url: gateway.url + "/open"}); a.status != http.StatusOK || a.body != string(inPEM(t, oldCert)) {
		t.Fatalf("at first: %d", a.status)
	}
	reloads := metric(t, gateway.operators, `gatehouse_config_reloads_total{result="success"}`)

	newCert, newKey, _ := selfSigned(t)
	<-shown
	shown <- served(newCert, newKey)
	backend.CloseClientConnections()
	testkit.ReplaceFile(t, authority, testkit.ReadFile(t, newCert))
	testkit.Eventually(t, "the new authority is trusted", func() bool { return do(t, request{url: gateway.url + "/open"}).status == http.StatusOK })

	testkit.ReplaceFile(t, cert, testkit.ReadFile(t, newCert)) // half of the pair
	testkit.Eventually(t, "the half-renewed pair is told", func() bool {
		return strings.Contains(gateway.log.String(), "changed files cannot be used")
	})
	if a := do(t, request{url: gateway.url + "/open"}); a.status != http.StatusOK || a.body != string(inPEM(t, oldCert)) {
		t.Errorf("with half of a pair: %d", a.status)
	}
	testkit.ReplaceFile(t, key, testkit.ReadFile(t, newKey))
	testkit.Eventually(t, "the new pair is shown", func() bool {
		return do(t, request{url: gateway.url + "/open"}).body == string(inPEM(t, newCert))
	})
	if good, now := metric(t, gateway.operators, "gatehouse_config_last_reload_successful"),
		metric(t, gateway.operators, `gatehouse_config_reloads_total{result="success"}`); good != "1" || now != reloads {
		t.Errorf("the table counts as reloaded: successful %s, %s reloads, %s before", good, now, reloads)
	}
}

// TestTableWaitsForItsFiles refuses a table whose certificate is still missing,
// and uses the table when the certificate arrives.
func TestTableWaitsForItsFiles(t *testing.T) {
	t.Parallel()
	backend := reportingBackend(t, "backend")
	file := testkit.TempFile(t, "routes.yaml", table(backend))
	gateway := startProcess(t, file, nil)
	cert, key, _ := selfSigned(t)
	late := filepath.Join(t.TempDir(), "ca.pem")
	testkit.WriteFile(t, file, table(backend, "  - {name: more, prefix: /more, backend: '"+backend+"', auth: none}",
		"  - {name: tls, prefix: /tls, backend: https://127.0.0.1:1, auth: none, tls: {ca: "+late+", cert: "+cert+", key: "+key+"}}"))
	testkit.Eventually(t, "the table is refused", func() bool {
		return metric(t, gateway.operators, "gatehouse_config_last_reload_successful") == "0"
	})
	testkit.WriteFile(t, late, testkit.ReadFile(t, cert))
	testkit.Eventually(t, "the table is served", func() bool { return do(t, request{url: gateway.url + "/more"}).status == http.StatusOK })
}

// TestDotenvAtReload edits .env: the table's variables are those of the last
// reload.
func TestDotenvAtReload(t *testing.T) {
	t.Parallel()
	first, second := reportingBackend(t, "first"), reportingBackend(t, "second")
	dotenv := testkit.TempFile(t, ".env", "\ufeffAPP="+first+"\n")
	command := exec.Command(buildGateway(t), "serve", "-c", testkit.TempFile(t, "routes.yaml", table("${APP}")))
	command.Dir = filepath.Dir(dotenv)
	gateway := startCommand(t, command, nil)
	backend := func() string {
		name, _, _ := strings.Cut(do(t, request{url: gateway.url + "/open"}).body, " ")
		return name
	}
	if got := backend(); got != "first" {
		t.Fatalf("at first: %q", got)
	}
	testkit.WriteFile(t, dotenv, "APP="+second+"\n")
	a := do(t, request{method: http.MethodPost, url: gateway.operators + "/-/reload"})
	if a.status != http.StatusOK || !strings.Contains(a.body, "route open: backend "+first+" → "+second) {
		t.Errorf("reload: %d %s", a.status, a.body)
	}
	if got := backend(); got != "second" {
		t.Errorf("after the reload: %q", got)
	}
	testkit.WriteFile(t, dotenv, "APP=$\n")
	if a := do(t, request{method: http.MethodPost, url: gateway.operators + "/-/reload"}); a.status != http.StatusBadRequest || !strings.Contains(a.body, ".env:1") {
		t.Errorf("a reload with a bad .env: %d %s", a.status, a.body)
	}
	if got := backend(); got != "second" {
		t.Errorf("after a bad .env: %q", got)
	}
}

// TestHangUpDuringStart sends SIGHUP while the start waits for the database.
func TestHangUpDuringStart(t *testing.T) {
	t.Parallel()
	log := new(testkit.Log)
	command := exec.Command(buildGateway(t), "serve", "-c", "../../examples/atenex.yaml")
	command.Stderr = log
	command.Env = []string{
		"GATEWAY_LISTEN=127.0.0.1:0", "GATEWAY_OPS_LISTEN=127.0.0.1:0", "GATEWAY_JWT_SECRET=" + testSecret,
		"GATEWAY_DATABASE_URL=postgres://nobody:nothing@127.0.0.1:1/none",
	}
	for name, value := range originalBackends(t) {
		command.Env = append(command.Env, name+"="+value)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()
	t.Cleanup(func() { _ = command.Process.Kill() })
	testkit.Eventually(t, "the store is awaited", func() bool { return strings.Contains(log.String(), "waiting for the store") })
	for _, each := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM} {
		if err := command.Process.Signal(each); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-exited; err != nil {
		t.Errorf("SIGHUP, then SIGTERM: %v\n%s", err, log)
	}
}
