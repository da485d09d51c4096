package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// reference is one case in which nginx and the gateway do the same thing, or in which the
// difference has a reason.
type reference struct {
	name    string
	nginx   string // lines of the location, or a whole one; "proxy" stands for proxy_pass to the backend
	route   string // keys of the route, as YAML; "backend" stands for the backend
	method  string // GET when empty
	path    string // behind the prefix of the case
	header  string // "Name: value" lines of the client, separated by "|"
	show    string // what is compared: "status", "path", "request NAME" or "answer NAME"
	want    string // what nginx does, and the gateway as well without gateway
	gateway string // what the gateway does instead
	why     string // the reason for that

	// TestTraefikReference has checked this with version 3.7.13.
	middlewares string // separated by " | "
	traefik     string // what it does instead of what nginx does
	traefikWhy  string // the reason for that
}

// fill completes the case: its own prefix stands in place of PREFIX, and the URL
// of the backend in place of BACKEND.
func (c *reference) fill(prefix, backend string) {
	fill := strings.NewReplacer("PREFIX", prefix, "BACKEND", backend)
	c.path = prefix + c.path
	for _, text := range []*string{&c.nginx, &c.route, &c.path, &c.want, &c.gateway, &c.middlewares, &c.traefik} {
		*text = fill.Replace(*text)
	}
	c.nginx = strings.Replace(c.nginx, "proxy;", "proxy_pass "+backend+";", 1)
	if !strings.HasPrefix(c.nginx, "location ") {
		c.nginx = "location " + prefix + " { " + c.nginx + " }"
	}
	target, rest, _ := strings.Cut(c.route, ",")
	if path, found := strings.CutPrefix(target, "backend"); found {
		c.route = "backend: '" + backend + path + "'," + rest
	}
}

// references returns the cases, by subject. The backend answers 404 below /missing, and
// always sends X-Frame-Options: SAMEORIGIN, X-Powered-By: php, Vary: Cookie and Etag: "1".
// It sends the Location and the Set-Cookie in the query of a request, too.
func references() map[string][]reference {
	return map[string][]reference{
		"headers of requests": requestHeaderReferences(), "headers of answers": answerHeaderReferences(),
		"redirects": redirectReferences(), "rewrites": rewriteReferences(), "addresses in answers": locationReferences(),
	}
}

func requestHeaderReferences() []reference {
	return []reference{
		{
			name:  "set replaces the client's",
			nginx: "proxy; proxy_set_header X-Env prod;", route: "backend, request_headers: {set: {X-Env: prod}}",
			header: "X-Env: evil", show: "request X-Env", want: "prod",
			middlewares: `headers: {customRequestHeaders: {X-Env: prod}}`,
		},
		{
			name:  "set replaces other spellings",
			nginx: "proxy; proxy_set_header X-Env prod;", route: "backend, request_headers: {set: {X-Env: prod}}",
			header: "X_Env: evil", show: "request X_env", want: "",
			middlewares: `headers: {customRequestHeaders: {X-Env: prod}}`,
			traefik:     "evil", traefikWhy: "names with an underscore pass, so a backend that folds them may read the client's",
		},
		{
			name:  "an underscore in a name that is not set",
			nginx: "proxy; proxy_set_header X-Env prod;", route: "backend, request_headers: {set: {X-Env: prod}}",
			header: "X_Other: 1", show: "request X_other", want: "",
			gateway: "1", why: "nginx drops all such names by default; the gateway drops those that a backend could take for one of its own or of the table",
			middlewares: `headers: {customRequestHeaders: {X-Env: prod}}`,
			traefik:     "1", traefikWhy: "such names pass",
		},
		{
			name:  "remove",
			nginx: `proxy; proxy_set_header X-Debug "";`, route: "backend, request_headers: {remove: [X-Debug]}",
			header: "X-Debug: 1", show: "request X-Debug", want: "",
			middlewares: `headers: {customRequestHeaders: {X-Debug: ""}}`,
		},
		{
			name:  "the client's address",
			nginx: "proxy; proxy_set_header X-Real-IP $remote_addr;", route: `backend, request_headers: {set: {X-Real-IP: "{client_ip}"}}`,
			header: "X-Real-IP: 6.6.6.6", show: "request X-Real-Ip", want: "127.0.0.1",
			middlewares: ``,
		},
		{
			name:  "the host, without port and in lower case",
			nginx: "proxy; proxy_set_header X-Host $host;", route: `backend, request_headers: {set: {X-Host: "{host}"}}`,
			header: "Host: Shop.Example.com:8443", show: "request X-Host", want: "shop.example.com",
			middlewares: ``,
			traefik:     "", traefikWhy: "values have no placeholders; backends get X-Forwarded-Host",
		},
		{
			name:  "text around a variable",
			nginx: "proxy; proxy_set_header X-At at-$host;", route: `backend, request_headers: {set: {X-At: "at-{host}"}}`,
			header: "Host: a.example.com", show: "request X-At", want: "at-a.example.com",
			middlewares: ``,
			traefik:     "", traefikWhy: "values have no placeholders",
		},
		{
			name:  "add beside the client's",
			nginx: `proxy; proxy_set_header X-Tag "$http_x_tag, edge";`, route: "backend, request_headers: {add: {X-Tag: edge}}",
			header: "X-Tag: mine", show: "request X-Tag", want: "mine, edge",
			middlewares: `headers: {customRequestHeaders: {X-Tag: edge}}`,
			traefik:     "edge", traefikWhy: "a header can be set, not added to",
		},
	}
}

func answerHeaderReferences() []reference {
	return []reference{
		{
			name:  "add beside the backend's",
			nginx: "proxy; add_header X-Frame-Options DENY;", route: "backend, response_headers: {add: {X-Frame-Options: DENY}}",
			show: "answer X-Frame-Options", want: "SAMEORIGIN, DENY",
			middlewares: `headers: {customResponseHeaders: {X-Frame-Options: DENY}}`,
			traefik:     "DENY", traefikWhy: "a header can be set, not added to",
		},
		{
			name:  "set in place of the backend's",
			nginx: "proxy; proxy_hide_header X-Frame-Options; add_header X-Frame-Options DENY always;", route: "backend, response_headers: {set: {X-Frame-Options: DENY}}",
			show: "answer X-Frame-Options", want: "DENY",
			middlewares: `headers: {customResponseHeaders: {X-Frame-Options: DENY}}`,
		},
		{
			name:  "remove",
			nginx: "proxy; proxy_hide_header X-Powered-By;", route: "backend, response_headers: {remove: [X-Powered-By]}",
			show: "answer X-Powered-By", want: "",
			middlewares: `headers: {customResponseHeaders: {X-Powered-By: ""}}`,
		},
		{
			name:  "on a 404 of the backend",
			nginx: "proxy; add_header X-A b;", route: "backend, response_headers: {set: {X-A: b}}",
			path: "/missing", show: "answer X-A", want: "",
			gateway: "b", why: "nginx omits it on errors without `always`; a header such as HSTS belongs on errors too",
			middlewares: `headers: {customResponseHeaders: {X-A: b}}`,
			traefik:     "b", traefikWhy: "the middleware changes every answer",
		},
		{
			name:  "on a redirect",
			nginx: "return 308 /new; add_header X-A b;", route: "redirect: {to: /new}, response_headers: {set: {X-A: b}}",
			show: "answer X-A", want: "b",
			middlewares: `headers: {customResponseHeaders: {X-A: b}} | redirectRegex: {regex: ".*", replacement: /new, permanent: true}`,
		},
		{
			name:  "on a refusal",
			nginx: "deny all; add_header X-A b always;", route: "backend, deny_from: [127.0.0.0/8], response_headers: {set: {X-A: b}}",
			show: "answer X-A", want: "b",
			middlewares: `headers: {customResponseHeaders: {X-A: b}} | ipAllowList: {sourceRange: [192.0.2.0/24]}`,
		},
		{
			name:  "beside that of the level above",
			nginx: "proxy; add_header X-A b;", route: "backend, response_headers: {set: {X-A: b}}",
			show: "answer X-All", want: "",
			gateway: "all", why: "in nginx an inner add_header drops all outer ones, which many do not expect; here the table's come first, and a route may remove them",
			middlewares: `headers: {customResponseHeaders: {X-A: b}}`,
			traefik:     "all", traefikWhy: "middlewares of the entry point come first",
		},
		{
			name:  "of the level above alone",
			nginx: "proxy;", route: "backend", show: "answer X-All", want: "all",
			middlewares: ``,
		},
	}
}

// referenceBackend starts the backend of the cases, and returns its URL.
func referenceBackend(t *testing.T) string {
	t.Helper()
	return testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{"X-Frame-Options": "SAMEORIGIN", "X-Powered-By": "php", "Vary": "Cookie", "Etag": `"1"`} {
			w.Header().Set(name, value)
		}
		query := r.URL.Query()
		for _, name := range []string{"Location", "Set-Cookie"} {
			for _, value := range query[name] {
				w.Header().Add(name, value)
			}
		}
		switch {
		case strings.Contains(r.URL.Path, "/missing"):
			w.WriteHeader(http.StatusNotFound)
		case query.Has("Location"):
			w.WriteHeader(http.StatusFound)
		}
		_ = json.NewEncoder(w).Encode(referenceRequest{r.RequestURI, r.Header})
	})
}

// TestNginxReference sends the same requests to a real nginx and to the gateway.
func TestNginxReference(t *testing.T) {
	t.Parallel()
	backend := referenceBackend(t)
	table, server := "users: off\nresponse_headers: {X-All: all}\nroutes:\n", "add_header X-All all; "
	number := 0
	all := references()
	for _, cases := range all {
		for i := range cases {
			c := &cases[i]
			number++
			prefix := fmt.Sprintf("/case%d", number)
			c.fill(prefix, backend)
			server += c.nginx + " "
			table += fmt.Sprintf("  - {name: case%d, prefix: %s, auth: none, %s}\n", number, prefix, c.route)
		}
	}
	nginx := startNginx(t, server)
	gateway := start(t, testkit.TempFile(t, "routes.yaml", table), nil)
	for subject, cases := range all {
		for _, c := range cases {
			t.Run(subject+"/"+c.name, func(t *testing.T) {
				want := c.want
				if got := c.ask(t, nginx); got != want {
					t.Errorf("nginx: %s: got %q, want %q", c.show, got, want)
				}
				if c.why != "" {
					want = c.gateway
				}
				if (c.why != "") != (want != c.want) {
					t.Errorf("%q is a reason for %q in place of %q", c.why, want, c.want)
				}
				if got := c.ask(t, gateway.url); got != want {
					t.Errorf("the gateway: %s: got %q, want %q", c.show, got, want)
				}
			})
		}
	}
}

// referenceRequest is what the backend has got.
type referenceRequest struct {
	Path   string
	Header http.Header
}

// ask sends the request of the case, and returns what the case shows.
func (c *reference) ask(t *testing.T, url string) string {
	t.Helper()
	client := testkit.Dial(t, url)
	method, lines := "GET", ""
	if c.method != "" {
		method = c.method
	}
	if c.header != "" {
		lines = strings.ReplaceAll(c.header, "|", "\r\n") + "\r\n"
	}
	if !strings.HasPrefix(lines, "Host:") {
		lines = "Host: gate.example\r\n" + lines
	}
	client.Send(method + " " + c.path + " HTTP/1.1\r\n" + lines + "Connection: close\r\n\r\n")
	res, body := client.Receive()
	var seen referenceRequest
	_ = json.Unmarshal([]byte(body), &seen) // a redirect and a refusal reach no backend
	kind, name, _ := strings.Cut(c.show, " ")
	switch kind {
	case "status":
		return res.Status[:3]
	case "path":
		return seen.Path
	case "request":
		return strings.Join(seen.Header[name], ", ")
	case "answer":
		// nginx adds its port to the host of the request.
		return strings.ReplaceAll(strings.Join(res.Header[name], ", "), "gate.example"+url[strings.LastIndex(url, ":"):], "gate.example")
	}
	t.Fatalf("%q shows nothing", c.show)
	return ""
}

// TestReferenceTable compares the cases with the tables of a page.
func TestReferenceTable(t *testing.T) {
	t.Parallel()
	page := string(testkit.ReadFile(t, "../../docs/nginx-and-traefik.md"))
	for subject, cases := range references() {
		var want strings.Builder
		want.WriteString("| case | nginx | Traefik | Gatehouse |\n|---|---|---|---|\n")
		for _, c := range cases {
			want.WriteString(c.row())
		}
		if !strings.Contains(page, want.String()) {
			t.Errorf("docs/nginx-and-traefik.md has no such table of %s:\n%s", subject, want.String())
		}
	}
}

// row returns the case as a line of a table in Markdown.
func (c *reference) row() string {
	traefik, gateway := c.want, c.want
	if c.traefikWhy != "" {
		traefik = c.traefik
	}
	if c.why != "" {
		gateway = c.gateway
	}
	cell := func(value, why string) string {
		if value == "" {
			value = "(none)"
		}
		if why != "" {
			why = ": " + why
		}
		return "`" + value + "`" + why
	}
	asked := strings.TrimSpace(c.header + " " + c.path)
	if asked != "" {
		asked = ": `" + asked + "`"
	}
	return fmt.Sprintf("| %s%s | %s | %s | %s |\n", c.name, asked, cell(c.want, ""), cell(traefik, c.traefikWhy), cell(gateway, c.why))
}
