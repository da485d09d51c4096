package proxy

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestAccessLine(t *testing.T) {
	t.Parallel()
	k := start(t, policyTable, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	token := k.member()
	k.get("/strict/a%20b?secret=42", "Authorization: "+token, "X-Request-Id: mine", "Origin: https://app.example.com")
	line := k.line()
	want := map[string]any{
		"level": "INFO", "msg": "request", "request_id": "mine", "method": "GET", "path": "/strict/a%20b", "route": "strict", "status": 200.0,
		"bytes": 5.0, "client_ip": "127.0.0.1", "origin": "https://app.example.com", "user_id": testUser.String(), "company_id": testCompany.String(),
	}
	duration, ok := line["duration_ms"].(float64)
	if !ok || duration <= 0 {
		t.Errorf("duration_ms = %v", line["duration_ms"])
	}
	delete(line, "duration_ms")
	delete(line, "time")
	if !maps.Equal(line, want) {
		t.Errorf("logged %v, want %v", line, want)
	}

	k.get("/strict?token="+token[7:], "X-Request-Id: mine")
	line = k.line()
	want = map[string]any{
		"level": "INFO", "msg": "request", "request_id": "mine", "method": "GET", "path": "/strict", "route": "strict", "status": 401.0,
		"client_ip": "127.0.0.1", "error": "Not authenticated",
	}
	want["bytes"] = line["bytes"]
	delete(line, "duration_ms")
	delete(line, "time")
	if !maps.Equal(line, want) {
		t.Errorf("logged %v, want %v", line, want)
	}
}

// TestLogsHoldNoSecrets sends secrets in all places where clients put them, in requests
// that the different hops refuse.
func TestLogsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	k := start(t, "cors: {origins: ['https://app.example.com']}\n"+policyTable, mirror)
	const secret = "S3CR3T"
	targets := []string{
		"/strict?t=" + secret, "/none?t=" + secret, "/nowhere?t=" + secret, "/%2e%2e/?t=" + secret, "/?t=" + secret, "/health?t=" + secret,
		"http://user:" + secret + "@x/none?t=" + secret, "http://user:" + secret + "@x", "/a#" + secret, "/a?#" + secret, "//x?t=" + secret,
		"mailto:" + secret,
	}
	for _, target := range targets {
		for _, method := range []string{"GET", "OPTIONS", "CONNECT"} {
			res := k.raw(method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: https://evil\r\nAccess-Control-Request-Method: GET\r\n" +
				"Authorization: Bearer " + secret + "\r\nCookie: " + secret + "\r\nX-Request-ID: " + secret + "!\r\n\r\n")
			if res.StatusCode == 400 && strings.Contains(res.body, secret) {
				t.Errorf("%s %s: answered %s", method, target, res.body)
			}
			for {
				line := <-k.log.lines
				if strings.Contains(line, secret) {
					t.Errorf("%s %s: logged %s", method, target, line)
				}
				if strings.Contains(line, `"msg":"request"`) {
					break
				}
			}
		}
	}
}

func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, nil)
	long := strings.Repeat("x", 20_000)
	k.raw(strings.ToUpper(long) + " /" + long + " HTTP/1.1\r\nHost: x\r\nOrigin: " + long + "\r\n\r\n")
	if line := <-k.log.lines; len(line) > 4*(maxLogged+100) {
		t.Errorf("a line of %d bytes", len(line))
	}
	k.raw("GET /\xff\xfe\x1b[31m HTTP/1.1\r\nHost: x\r\n\r\n")
	k.raw("GET /\xff%1b HTTP/1.1\r\nHost: x\r\n\r\n")
	if line := k.line(); line["path"] == nil {
		t.Errorf("logged %v", line)
	}
}

// A HEAD request is logged with 0 bytes: no body was sent.
func TestBytesOfHead(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	k.do("HEAD", "/", nil)
	if line := k.line(); line["bytes"] != 0.0 {
		t.Errorf("logged %v", line)
	}
	k = start(t, policyTable, nil)
	k.do("HEAD", "/nowhere", nil)
	if line := k.line(); line["bytes"] != 0.0 || line["status"] != 404.0 {
		t.Errorf("logged %v", line)
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	k := newKit(t, openTable, "http://127.0.0.1:9")
	k.parts.Users = builtIn(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/half":
			_, _ = io.WriteString(w, "half")
			flush(w)
			panic("half an answer")
		case "/half500":
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "half")
			flush(w)
			panic("half an error")
		case "/abort":
			panic(http.ErrAbortHandler)
		}
		panic("at once")
	})
	k.gateway.Swap(k.compile("routes:\n  - {name: users, prefix: /users, handler: users}\n"))
	k.serve()

	k.get("/users/x").wantDetail(t, 500, "Internal Server Error")
	if line := k.line(); line["msg"] != "handler panicked" || line["panic"] != "at once" || !strings.Contains(line["stack"].(string), "observe_test.go") {
		t.Errorf("logged %v", line)
	}
	if line := k.line(); line["status"] != 500.0 || line["error"] == nil {
		t.Errorf("logged %v", line)
	}
	for _, path := range []string{"/users/half", "/users/half500", "/users/abort"} {
		res, err := k.client().Do(k.request("GET", path, nil))
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: the answer looks complete", path)
		}
	}
	// The server continues after a panic.
	k.get("/users/x").wantDetail(t, 500, "Internal Server Error")
}

// TestMetricsBalance checks that there is one Finished for each Started, in every outcome.
func TestMetricsBalance(t *testing.T) {
	t.Parallel()
	k := start(t, `
users: off
cors: {origins: ["https://app.example.com"]}
defaults: {timeout: 50ms, idle_timeout: 50ms}
routes:
  - {name: open, prefix: /open, backend: "${BACKEND}", auth: none, max_body: 4, methods: [GET, POST]}
  - {name: strict, prefix: /strict, backend: "${BACKEND}"}
  - {name: down, prefix: /down, backend: "http://127.0.0.1:1", auth: none}
`, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/open/slow":
			<-r.Context().Done()
		case "/open/half":
			_, _ = io.WriteString(w, "half")
			flush(w)
			<-r.Context().Done()
		default:
			mirror(w, r)
		}
	})
	k.get("/open")
	k.get("/open/slow")
	_, _ = io.ReadAll(k.open("GET", "/open/half", nil).Body)
	k.do("POST", "/open", strings.NewReader("12345"))
	k.do("POST", "/open", io.MultiReader(strings.NewReader("12345")))
	k.raw("POST /open HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nx")
	k.do("DELETE", "/open", nil)
	k.get("/strict")
	k.get("/strict", "Authorization: "+k.newcomer())
	k.get("/down")
	k.get("/nowhere")
	k.get("/")
	k.get("/health")
	k.get("/%2e")
	k.do("OPTIONS", "/strict", nil, "Origin: https://app.example.com", "Access-Control-Request-Method: GET")
	for range 15 {
		k.line()
	}
	statuses := map[string][]string{}
	for name, route := range k.metrics.routes {
		if route.started != len(route.finished) {
			t.Errorf("%s: %d started, finished %q", name, route.started, route.finished)
		}
		for _, finished := range route.finished {
			statuses[name] = append(statuses[name], strings.Join(strings.Fields(finished)[:2], " "))
		}
		slices.Sort(statuses[name])
	}
	want := map[string][]string{
		"open":   {"GET 200", "GET 200", "GET 504", "POST 408", "POST 413", "POST 413"},
		"strict": {"GET 401", "GET 403"},
		"down":   {"GET 503"},
		NoRoute:  {"DELETE 405", "GET 200", "GET 200", "GET 400", "GET 404", "OPTIONS 204"},
	}
	if !maps.EqualFunc(statuses, want, slices.Equal) {
		t.Errorf("counted %v, want %v", statuses, want)
	}
}

func TestAbout(t *testing.T) {
	t.Parallel()
	const table = `
name: Atenex API Gateway
users: off
routes:
  - {name: api, prefix: /api, backend: "${BACKEND}", auth: none}
`
	k := start(t, table, nil)
	if res := k.get("/?x"); res.body != `{"message":"Atenex API Gateway is running!"}` || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("GET /: %d %s", res.StatusCode, res.body)
	}
	if line := k.line(); line["level"] != "INFO" {
		t.Errorf("logged %v", line)
	}
	if res := k.get("/health"); res.StatusCode != 200 || res.body != `{"status":"healthy","service":"Atenex API Gateway"}` {
		t.Errorf("GET /health: %d %s", res.StatusCode, res.body)
	}
	if line := k.line(); line["level"] != "DEBUG" {
		t.Errorf("logged %v", line)
	}
	if res := k.do("HEAD", "/", nil); res.StatusCode != 200 || res.body != "" {
		t.Errorf("HEAD /: %d", res.StatusCode)
	}
	for _, path := range []string{"/", "/health"} {
		if res := k.do("POST", path, nil); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %d, Allow %q", path, res.StatusCode, res.Header.Get("Allow"))
		}
	}
	for _, path := range []string{"/health/", "/healthz", "/%68ealth"} {
		if res := k.get(path); res.StatusCode != 404 {
			t.Errorf("GET %s: %d", path, res.StatusCode)
		}
	}

	var trouble error
	k.gateway.storeHealth = func() error { return trouble }
	if res := k.get("/health"); res.body != `{"status":"healthy","service":"Atenex API Gateway","checks":{"database_connection":"ok"}}` {
		t.Errorf("GET /health: %s", res.body)
	}
	trouble = errors.New("no such host")
	if res := k.get("/health"); res.StatusCode != 200 || !strings.Contains(res.body, `{"database_connection":"failed (warning)"}`) {
		t.Errorf("GET /health: %d %s", res.StatusCode, res.body)
	}

	k = start(t, openTable, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "mine "+r.URL.Path) })
	for _, path := range []string{"/", "/health"} {
		if res := k.get(path); res.body != "mine "+path {
			t.Errorf("a route takes %s and the gateway answered %s", path, res.body)
		}
	}
}

func TestHandlerRoute(t *testing.T) {
	t.Parallel()
	k := newKit(t, openTable, "http://127.0.0.1:9")
	k.gateway.Swap(k.compile(`
routes:
  - {name: users, prefix: /api/v1/users, handler: users, methods: [GET, POST]}
`))
	for path, want := range map[string]string{"/api/v1/users/login": `{"path":"/login"}`, "/api/v1/users/me/x": `{"path":"/me/x"}`} {
		w := httptest.NewRecorder()
		k.gateway.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Body.String() != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	k.gateway.ServeHTTP(w, httptest.NewRequest("DELETE", "/api/v1/users/login", nil))
	if w.Code != 405 {
		t.Errorf("DELETE: %d", w.Code)
	}
	// A table that needs users cannot be compiled without them.
	k.parts.Users = nil
	if _, err := Compile(parse(t, "routes:\n  - {name: users, prefix: /u, handler: users}\n", ""), k.parts); err == nil {
		t.Error("compiled without users")
	}
}

func TestNoTableYet(t *testing.T) {
	t.Parallel()
	k := newKit(t, openTable, "http://127.0.0.1:9")
	k.gateway.table.Store(nil)
	k.serve()
	res := k.get("/")
	res.wantDetail(t, 503, "The gateway has no route table yet.")
	if line := k.line(); line["client_ip"] != "127.0.0.1" {
		t.Errorf("logged %v", line)
	}
}

// TestHandlerBehindEscapedPrefix checks that a built-in handler gets the rest of the path,
// also after a prefix with escapes.
func TestHandlerBehindEscapedPrefix(t *testing.T) {
	t.Parallel()
	k := start(t, "routes:\n  - {name: users, prefix: /caf%C3%A9/users, handler: users}\n", nil)
	if res := k.raw("GET /caf%C3%A9/users/me HTTP/1.1\r\nHost: x\r\n\r\n"); res.StatusCode != http.StatusOK || res.body != `{"path":"/me"}` {
		t.Errorf("%d %q", res.StatusCode, res.body)
	}
}
