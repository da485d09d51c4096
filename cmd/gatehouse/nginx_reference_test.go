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
	traefik string // what Traefik does, where somebody has looked; it is not run
}

// fill completes the case: its own prefix stands in place of PREFIX, and the URL
// of the backend in place of BACKEND.
func (c *reference) fill(prefix, backend string) {
	fill := strings.NewReplacer("PREFIX", prefix, "BACKEND", backend)
	c.path = prefix + c.path
	for _, text := range []*string{&c.nginx, &c.route, &c.path, &c.want, &c.gateway} {
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
		},
		{
			name:  "set replaces other spellings",
			nginx: "proxy; proxy_set_header X-Env prod;", route: "backend, request_headers: {set: {X-Env: prod}}",
			header: "X_Env: evil", show: "request X_env", want: "",
		},
		{
			name:  "an underscore in a name that is not set",
			nginx: "proxy; proxy_set_header X-Env prod;", route: "backend, request_headers: {set: {X-Env: prod}}",
			header: "X_Other: 1", show: "request X_other", want: "",
			gateway: "1", why: "nginx drops all such names by default; the gateway drops those that a backend could take for one of its own or of the table",
		},
		{
			name:  "remove",
			nginx: `proxy; proxy_set_header X-Debug "";`, route: "backend, request_headers: {remove: [X-Debug]}",
			header: "X-Debug: 1", show: "request X-Debug", want: "",
		},
		{
			name:  "the client's address",
			nginx: "proxy; proxy_set_header X-Real-IP $remote_addr;", route: `backend, request_headers: {set: {X-Real-IP: "{client_ip}"}}`,
			header: "X-Real-IP: 6.6.6.6", show: "request X-Real-Ip", want: "127.0.0.1",
		},
		{
			name:  "the host, without port and in lower case",
			nginx: "proxy; proxy_set_header X-Host $host;", route: `backend, request_headers: {set: {X-Host: "{host}"}}`,
			header: "Host: Shop.Example.com:8443", show: "request X-Host", want: "shop.example.com",
		},
		{
			name:  "text around a variable",
			nginx: "proxy; proxy_set_header X-At at-$host;", route: `backend, request_headers: {set: {X-At: "at-{host}"}}`,
			header: "Host: a.example.com", show: "request X-At", want: "at-a.example.com",
		},
		{
			name:  "add beside the client's",
			nginx: `proxy; proxy_set_header X-Tag "$http_x_tag, edge";`, route: "backend, request_headers: {add: {X-Tag: edge}}",
			header: "X-Tag: mine", show: "request X-Tag", want: "mine, edge",
		},
	}
}

func answerHeaderReferences() []reference {
	return []reference{
		{
			name:  "add beside the backend's",
			nginx: "proxy; add_header X-Frame-Options DENY;", route: "backend, response_headers: {add: {X-Frame-Options: DENY}}",
			show: "answer X-Frame-Options", want: "SAMEORIGIN, DENY",
		},
		{
			name:  "set in place of the backend's",
			nginx: "proxy; proxy_hide_header X-Frame-Options; add_header X-Frame-Options DENY always;", route: "backend, response_headers: {set: {X-Frame-Options: DENY}}",
			show: "answer X-Frame-Options", want: "DENY",
		},
		{
			name:  "remove",
			nginx: "proxy; proxy_hide_header X-Powered-By;", route: "backend, response_headers: {remove: [X-Powered-By]}",
			show: "answer X-Powered-By", want: "",
		},
		{
			name:  "on a 404 of the backend",
			nginx: "proxy; add_header X-A b;", route: "backend, response_headers: {set: {X-A: b}}",
			path: "/missing", show: "answer X-A", want: "",
			gateway: "b", why: "nginx omits it on errors without `always`; a header such as HSTS belongs on errors too",
		},
		{
			name:  "on a redirect",
			nginx: "return 308 /new; add_header X-A b;", route: "redirect: {to: /new}, response_headers: {set: {X-A: b}}",
			show: "answer X-A", want: "b",
		},
		{
			name:  "on a refusal",
			nginx: "deny all; add_header X-A b always;", route: "backend, deny_from: [127.0.0.0/8], response_headers: {set: {X-A: b}}",
			show: "answer X-A", want: "b",
		},
		{
			name:  "beside that of the level above",
			nginx: "proxy; add_header X-A b;", route: "backend, response_headers: {set: {X-A: b}}",
			show: "answer X-All", want: "",
			gateway: "all", why: "in nginx an inner add_header drops all outer ones, which many do not expect; here the table's come first, and a route may remove them",
		},
		{
			name:  "of the level above alone",
			nginx: "proxy;", route: "backend", show: "answer X-All", want: "all",
		},
	}
}

// TestNginxReference sends the same requests to a real nginx and to the gateway.
func TestNginxReference(t *testing.T) {
	t.Parallel()
	backend := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
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
