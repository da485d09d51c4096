package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/coder/websocket"
	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"

	"gatehouse/internal/testkit"
	"gatehouse/store"
)

// seen is what a backend of the site has seen of a request, as JSON.
type seen struct {
	Service string
	Method  string
	URI     string
	Header  http.Header
	Body    int64
}

// siteBackend answers with what it has seen. It has a few habits of real services: it
// names its software, it has CORS headers of its own, and it redirects with its own paths.
// It closes half when it has the first half of an upload to a path that ends with /half.
func siteBackend(t *testing.T, service string, half chan<- struct{}) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			echoMessages(w, r)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/events") {
			sendEvents(w, r)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/half") {
			if _, err := io.CopyN(io.Discard, r.Body, r.ContentLength/2); err == nil {
				close(half)
			}
		}
		length, _ := io.Copy(io.Discard, r.Body)
		header := w.Header()
		header.Set("Server", service+"/1.0")
		header.Set("X-Powered-By", "tests")
		header.Set("Access-Control-Allow-Origin", "https://of.the.service.example")
		header.Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/moved") {
			header.Set("Location", "/v2/8")
			header.Set("Set-Cookie", "seen=1; Path=/v2")
			w.WriteHeader(http.StatusSeeOther)
			return
		}
		_ = json.NewEncoder(w).Encode(seen{service, r.Method, r.RequestURI, r.Header, length})
		if r.URL.Path == "/" {
			_, _ = io.WriteString(w, strings.Repeat(" ", 4096))
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// sendEvents sends one event, and no more.
func sendEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, "data: "+strings.Repeat("news ", 1000)+"\n\n")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// echoMessages returns each message of a WebSocket.
func echoMessages(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}

// site is the gateway of examples/site.yaml with its backends, and tokens of its users.
type site struct {
	*running
	folder   string // a copy of examples
	backends map[string]*httptest.Server
	half     chan struct{} // see siteBackend

	member, newcomer, accountant, admin, stranger string
}

func startSite(t *testing.T) *site {
	s := &site{folder: filepath.Join(t.TempDir(), "examples"), backends: map[string]*httptest.Server{}, half: make(chan struct{})}
	if err := os.CopyFS(s.folder, os.DirFS("../../examples")); err != nil {
		t.Fatal(err)
	}
	users := "sqlite:" + filepath.Join(t.TempDir(), "users.db")
	settings := map[string]string{"GATEWAY_DATABASE_URL": users, "BALANCER": "127.0.0.0/8"}
	for _, service := range []string{
		"web", "catalogue", "orders", "invoices", "search", "reviews", "reports", "chat", "uploads", "admin", "status", "partner",
	} {
		s.backends[service] = siteBackend(t, service, s.half)
		settings[strings.ToUpper(service)+"_URL"] = s.backends[service].URL
	}
	company, other := uuid.MustParse(listedCompany), uuid.New()
	addUser(t, users, "member@example.com", &company)
	addUser(t, users, "newcomer@example.com", nil)
	addUser(t, users, "stranger@example.com", &other)
	setRole(t, users, addUser(t, users, "accountant@example.com", &company), "accounting")
	setRole(t, users, addUser(t, users, "admin@example.com", &company), "admin")
	p := startProcess(t, filepath.Join(s.folder, "site.yaml"), settings)
	s.running = &running{url: p.url, operators: p.operators, log: p.log}
	for token, email := range map[*string]string{
		&s.member: "member", &s.newcomer: "newcomer", &s.accountant: "accountant", &s.admin: "admin", &s.stranger: "stranger",
	} {
		*token = login(t, s.running, email+"@example.com")
	}
	return s
}

func setRole(t *testing.T, url string, user store.User, role string) {
	t.Helper()
	users, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer users.Close()
	if _, err := users.UpdateUser(t.Context(), user.ID, store.Change{Role: &role}); err != nil {
		t.Fatal(err)
	}
}

// from is the header with which the load balancer names the client.
func from(address string, more ...string) http.Header {
	header := http.Header{"X-Forwarded-For": {address}}
	for i := 0; i < len(more); i += 2 {
		header.Set(more[i], more[i+1])
	}
	return header
}

const (
	somewhere = "198.51.100.7"
	inOffice  = "192.0.2.7"
	atPartner = "203.0.113.7"
	browser   = "text/html,application/xhtml+xml,*/*;q=0.8"
	origin    = "https://www.shop.example.com"
)

// siteNeeds are the needs of the site, each as one exchange.
func siteNeeds(s *site) []siteNeed {
	return []siteNeed{
		{name: "everybody sees the front", path: "/", status: 200, service: "web", uri: "/"},
		{
			name: "its pages are compressed, and no other site frames them", path: "/", headers: from(somewhere, "Accept-Encoding", "gzip"), status: 200,
			answer: map[string]string{
				"Content-Encoding": "gzip", "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'", "Server": "", "X-Powered-By": "",
				"Strict-Transport-Security": "max-age=31536000", "X-Content-Type-Options": "nosniff",
			},
		},

		{name: "anonymous callers see the catalogue", path: "/api/v1/catalogue/7", status: 200, service: "catalogue", uri: "/api/v1/catalogue/7", backend: map[string]string{"X-User-Email": ""}},
		{name: "members see their prices", path: "/api/v1/catalogue/7", token: s.member, status: 200, service: "catalogue", backend: map[string]string{"X-User-Email": "member@example.com"}},
		{name: "a bad token is refused even where none is needed", path: "/api/v1/catalogue/7", token: "a.b.c", status: 401},
		{name: "nobody writes to the catalogue", method: "POST", path: "/api/v1/catalogue/7", token: s.member, status: 405, answer: map[string]string{"Allow": "GET, HEAD"}},

		{
			name: "orders know the buyer and the environment", path: "/api/v1/orders/7?page=2", token: s.member, headers: from(somewhere, "X-Debug", "1", "X-Buyer", "me", "X_Buyer", "me"),
			status: 200, service: "orders", uri: "/api/v1/orders/7?page=2",
			backend: map[string]string{"X-Env": "production", "X-Buyer": "member@example.com", "X-Client-Ip": somewhere, "X-Debug": "", "X_buyer": ""},
			answer:  map[string]string{"Server": "", "Access-Control-Allow-Origin": ""},
		},
		{name: "orders need a company", path: "/api/v1/orders/7", token: s.newcomer, status: 403},
		{name: "invoices have other paths behind the gateway", path: "/api/v1/invoices/2026-12?pdf=1", token: s.member, status: 200, service: "invoices", uri: "/archive/2026/invoice/12?pdf=1"},
		{name: "other paths of invoices stay", path: "/api/v1/invoices/list", token: s.member, status: 200, service: "invoices", uri: "/api/v1/invoices/list"},

		{name: "any page may search", path: "/api/v1/search?q=tea", headers: from(somewhere, "Origin", "https://anywhere.example"), status: 200, service: "search", answer: map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": ""}},
		{
			name: "a preflight of a search with its own method", method: "OPTIONS", path: "/api/v1/search",
			headers: from(somewhere, "Origin", "https://anywhere.example", "Access-Control-Request-Method", "QUERY"), status: 204,
			answer: map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Max-Age": "3600"},
		},
		{
			name: "our own pages may use orders", method: "OPTIONS", path: "/api/v1/orders", headers: from(somewhere, "Origin", origin, "Access-Control-Request-Method", "GET"), status: 204,
			answer: map[string]string{"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"},
		},
		{name: "other pages may not use orders", method: "OPTIONS", path: "/api/v1/orders", headers: from(somewhere, "Origin", "https://evil.example", "Access-Control-Request-Method", "GET"), status: 403},

		{name: "reviews need no company and have a base path", path: "/api/v1/reviews/7", token: s.newcomer, status: 200, service: "reviews", uri: "/v2/7"},
		{name: "their redirects lead back through the gateway", path: "/api/v1/reviews/moved", token: s.newcomer, status: 303, answer: map[string]string{"Location": "/api/v1/reviews/8", "Set-Cookie": "seen=1; Path=/api/v1/reviews"}},

		{name: "members see no reports", path: "/reports/2026", token: s.member, status: 403},
		{
			name: "accountants see reports, and the service has its own CORS", path: "/reports/2026", token: s.accountant, headers: from(somewhere, "Origin", origin), status: 200, service: "reports",
			answer: map[string]string{"Cache-Control": "no-store", "Access-Control-Allow-Origin": "https://of.the.service.example"},
		},

		{name: "members upload files", method: "PUT", path: "/uploads/a", token: s.member, body: strings.Repeat("x", 1<<20), status: 200, service: "uploads"},

		{name: "administrators come from the office", path: "/admin", token: s.admin, headers: from(inOffice), status: 200, service: "admin"},
		{name: "administrators do not come from elsewhere", path: "/admin", token: s.admin, headers: from(somewhere), status: 403},
		{name: "nor from the address that is left out", path: "/admin", token: s.admin, headers: from("192.0.2.66"), status: 403},
		{name: "members are no administrators", path: "/admin", token: s.member, headers: from(inOffice), status: 403},

		{name: "the internal page asks for a password", path: "/internal/status", headers: from(inOffice), status: 401, answer: map[string]string{"WWW-Authenticate": `Basic realm="Shop", charset="UTF-8"`}},
		{
			name: "the internal page never gets the password", path: "/internal/status", headers: from(inOffice, "Authorization", "Basic b3BlcmF0b3I6Y29ycmVjdCBob3JzZQ=="),
			status: 200, service: "status", backend: map[string]string{"Authorization": ""},
		},
		{name: "the internal page is for the office", path: "/internal/status", headers: from(somewhere, "Authorization", "Basic b3BlcmF0b3I6Y29ycmVjdCBob3JzZQ=="), status: 403},

		{name: "the shop is closed", path: "/shop/cart", status: 503, contains: "We are moving", answer: map[string]string{"Retry-After": "600", "Content-Type": "text/html; charset=utf-8"}},
		{name: "the blog has moved", path: "/blog/2019/hello?a=1", status: 308, answer: map[string]string{"Location": "https://blog.shop.example.com/2019/hello?a=1"}},
		{name: "products are a catalogue now", path: "/products/7", status: 301, answer: map[string]string{"Location": "/api/v1/catalogue/7"}},
		{name: "the bare host leads to www", host: "shop.example.com", path: "/cart?a=1", status: 308, answer: map[string]string{"Location": "https://www.shop.example.com/cart?a=1"}},
		{name: "robots are told", path: "/robots.txt", status: 200, contains: "Disallow: /admin", answer: map[string]string{"Cache-Control": "max-age=3600"}},

		{name: "the partner reads its stock", path: "/partner/v1/stock", token: s.member, headers: from(atPartner), status: 200, service: "partner", uri: "/stock"},
		{name: "other companies do not read it", path: "/partner/v1/stock", token: s.stranger, headers: from(atPartner), status: 403},
		{name: "nor does the partner from other addresses", path: "/partner/v1/stock", token: s.member, headers: from(inOffice), status: 403},

		{name: "browsers see a page for a refusal", path: "/api/v1/orders/7", headers: from(somewhere, "Accept", browser), status: 401, contains: "<h1>That did not work</h1>", answer: map[string]string{"Content-Type": "text/html; charset=utf-8"}},
		{name: "programs see JSON", path: "/api/v1/orders/7", headers: from(somewhere, "Accept", "*/*"), status: 401, contains: `"detail":`},
	}
}

// siteNeed is one exchange with the site. Empty values of headers mean that there is none.
type siteNeed struct {
	name, method, host, path, token, body string

	headers  http.Header
	status   int
	service  string            // that saw the request; "" does not matter
	uri      string            // that it saw; "" does not matter
	backend  map[string]string // headers that it saw
	answer   map[string]string // headers of the answer
	contains string            // in the body of the answer
}

// TestSite runs the realistic site as a process, with real backends, and checks each need
// of it.
func TestSite(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	for _, need := range siteNeeds(s) {
		t.Run(need.name, func(t *testing.T) { need.check(t, s) })
	}
	t.Run("the chat is a WebSocket", s.chat)
	t.Run("events come at once", s.events)
	t.Run("pages are compressed", s.compressed)
	t.Run("an upload is forwarded while it comes", s.upload)
	t.Run("an upload is too large", s.tooLarge)
	t.Run("the partner edits its file", s.partnerEdits)
	t.Run("the page for maintenance changes", s.pageChanges)
	t.Run("a service is away", s.serviceAway) // last: it does not come back
}

// open sends a request with a token, and returns the answer before its body.
func (s *site) open(t *testing.T, method, path, token string, body io.Reader, length int64, header http.Header) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(testkit.Context(t), method, s.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = length
	maps.Copy(req.Header, header)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func (s *site) chat(t *testing.T) {
	ctx := testkit.Context(t)
	conn, res, err := websocket.Dial(ctx, s.url+"/chat/room/7", &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + s.member}}, HTTPClient: &http.Client{Transport: http.DefaultTransport},
	})
	if err != nil {
		t.Fatalf("%v: %v", err, res)
	}
	defer func() { _ = conn.CloseNow() }()
	if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, message, err := conn.Read(ctx); err != nil || string(message) != "hello" {
		t.Errorf("got %q, %v", message, err)
	}
}

// events reads an event of a stream that does not end, on a route with `compress`.
func (s *site) events(t *testing.T) {
	res := s.open(t, http.MethodGet, "/events", "", nil, 0, http.Header{"Accept-Encoding": {"gzip"}})
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "data: news ") || res.Header.Get("Content-Encoding") != "" {
		t.Errorf("got %.50q, %v, %v", line, err, res.Header)
	}
}

func (s *site) compressed(t *testing.T) {
	for coding, decode := range map[string]func(io.Reader) (io.Reader, error){
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
		"br":   func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
	} {
		res := s.open(t, http.MethodGet, "/", "", nil, 0, http.Header{"Accept-Encoding": {coding}})
		body, err := decode(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		var got seen
		if err := json.NewDecoder(body).Decode(&got); err != nil || got.Service != "web" || res.Header.Get("Content-Encoding") != coding {
			t.Errorf("%s: got %+v, %v, %v", coding, got, err, res.Header)
		}
		if vary := strings.Join(res.Header["Vary"], ", "); !strings.Contains(vary, "Accept-Encoding") || !strings.Contains(vary, "Origin") {
			t.Errorf("%s: Vary %q", coding, vary)
		}
	}
}

// upload sends the second half of a body after the backend has seen the first.
func (s *site) upload(t *testing.T) {
	body, send := io.Pipe()
	go func() {
		_, _ = send.Write(make([]byte, 1<<16))
		<-s.half
		_, _ = send.Write(make([]byte, 1<<16))
		send.Close()
	}()
	res := s.open(t, http.MethodPut, "/uploads/half", s.member, body, 1<<17, nil)
	if res.StatusCode != http.StatusOK {
		t.Errorf("got %d", res.StatusCode)
	}
}

// tooLarge announces a body above max_body. None of it is sent.
func (s *site) tooLarge(t *testing.T) {
	const length = 100<<20 + 1
	res := s.open(t, http.MethodPut, "/uploads/a", s.member, io.LimitReader(zeroes{}, length), length, http.Header{"Expect": {"100-continue"}})
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d", res.StatusCode)
	}
}

// zeroes is an endless reader.
type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { return len(p), nil }

// partnerEdits lets the partner change its file: what is outside its part is refused, and
// the rest is served at once.
func (s *site) partnerEdits(t *testing.T) {
	file := filepath.Join(s.folder, "site", "partner", "routes.yaml")
	before := string(testkit.ReadFile(t, file))
	for _, edit := range []struct{ old, new, want string }{
		{"prefix: /partner/v1", "prefix: /api/v1/orders", "is outside /partner"},
		{"methods: [GET, POST]", "auth: initial", "is weaker than strict"},
		{"methods: [GET, POST]", `request_headers: {set: {X-Key: "${GATEWAY_JWT_SECRET}"}}`, "this file may not use GATEWAY_JWT_SECRET"},
	} {
		testkit.ReplaceFile(t, file, strings.Replace(before, edit.old, edit.new, 1))
		s.log.Await(t, edit.want)
	}
	if s.log.Contains(testSecret) {
		t.Error("the log has the secret")
	}
	stock := request{url: s.url + "/partner/v2/stock", token: s.member, header: from(atPartner)}
	if a := do(t, stock); a.status == http.StatusOK && strings.Contains(a.body, `"Service":"partner"`) {
		t.Errorf("before the edit: %d %s", a.status, a.body)
	}
	testkit.ReplaceFile(t, file, strings.ReplaceAll(before, "/partner/v1", "/partner/v2"))
	testkit.Eventually(t, "the edit is served", func() bool {
		return strings.Contains(do(t, stock).body, `"Service":"partner"`)
	})
}

func (s *site) pageChanges(t *testing.T) {
	testkit.ReplaceFile(t, filepath.Join(s.folder, "site", "maintenance.html"), "<p>Open again on Monday")
	testkit.Eventually(t, "the new page is served", func() bool {
		a := do(t, request{url: s.url + "/shop"})
		return a.status == http.StatusServiceUnavailable && a.body == "<p>Open again on Monday"
	})
}

// serviceAway closes a backend. People get a page with the number of their request.
func (s *site) serviceAway(t *testing.T) {
	s.backends["search"].Close()
	page := do(t, request{url: s.url + "/api/v1/search", header: from(somewhere, "Accept", browser)})
	if page.status != http.StatusServiceUnavailable || !strings.Contains(page.body, "tell us this number: "+page.header.Get("X-Request-ID")) {
		t.Errorf("people get %d %s", page.status, page.body)
	}
	text := do(t, request{url: s.url + "/api/v1/search", header: from(somewhere, "Accept", "*/*")})
	if text.status != http.StatusServiceUnavailable || text.field(t, "request_id") != text.header.Get("X-Request-ID") {
		t.Errorf("programs get %d %s", text.status, text.body)
	}
}

func (n siteNeed) check(t *testing.T, s *site) {
	header := n.headers
	if header == nil {
		header = from(somewhere)
	}
	if header.Get("Accept-Encoding") == "" {
		header.Set("Accept-Encoding", "identity")
	}
	a := do(t, request{method: n.method, url: s.url + n.path, host: n.host, token: n.token, body: n.body, header: header})
	if a.status != n.status || !strings.Contains(a.body, n.contains) {
		t.Fatalf("got %d %.300s\nwant %d %s", a.status, a.body, n.status, n.contains)
	}
	for name, want := range n.answer {
		if got := a.header.Get(name); got != want {
			t.Errorf("answer has %s: %q, want %q", name, got, want)
		}
	}
	if n.service == "" {
		return
	}
	var got seen
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	if got.Service != n.service || n.uri != "" && got.URI != n.uri || got.Body != int64(len(n.body)) {
		t.Errorf("%s saw %s %s with %d bytes; want %s, %s, %d", got.Service, got.Method, got.URI, got.Body, n.service, n.uri, len(n.body))
	}
	for name, want := range n.backend {
		if value := strings.Join(got.Header[name], ", "); value != want {
			t.Errorf("backend has %s: %q, want %q", name, value, want)
		}
	}
}
