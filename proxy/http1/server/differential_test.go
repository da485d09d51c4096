package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// noted is a handler that records its requests.
type noted func(w http.ResponseWriter, r *http.Request, note noteFunc)

type noteFunc func(format string, args ...any)

// pair is the same handler with net/http's server and with ours.
type pair struct{ bare, fronted *side }

// side is one server, with the requests that its handler has recorded by connection.
type side struct {
	addr    string
	mu      sync.Mutex
	methods map[string][]string
	notes   map[string][]string
}

func newPair(t testing.TB, handler noted, configure ...func(*http.Server)) *pair {
	t.Helper()
	serve := func(start func(s *side) string) *side {
		s := &side{methods: map[string][]string{}, notes: map[string][]string{}}
		s.addr = start(s)
		return s
	}
	return &pair{
		bare: serve(func(s *side) string {
			l := testkit.Listen(t)
			server := &http.Server{Handler: s.handler(handler), ErrorLog: testkit.DiscardLog()}
			for _, set := range configure {
				set(server)
			}
			go func() { _ = server.Serve(testListener{l}) }()
			t.Cleanup(func() { server.Close() })
			return l.Addr().String()
		}),
		fronted: serve(func(s *side) string { return start(t, s.handler(handler), configure...).addr }),
	}
}

const probe = "GET /probe HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n"

func (s *side) handler(handler noted) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.methods[r.RemoteAddr] = append(s.methods[r.RemoteAddr], r.Method)
		s.mu.Unlock()
		if r.URL.Path == "/probe" {
			_, _ = io.WriteString(w, "probed")
			return
		}
		from := r.RemoteAddr
		handler(w, r, func(format string, args ...any) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.notes[from] = append(s.notes[from], fmt.Sprintf(format, args...))
		})
	}
}

// told is the result of one connection.
func (s *side) told(t testing.TB, pieces []string, halfClose bool) string {
	t.Helper()
	c := testkit.Dial(t, s.addr)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for _, piece := range pieces {
			c.TrySend(piece)
		}
		if halfClose {
			_ = c.CloseWrite()
		}
	}()
	raw, err := io.ReadAll(c)
	from := c.LocalAddr().String()
	_ = c.Close()
	<-sent
	s.mu.Lock()
	defer s.mu.Unlock()
	text := normal(string(raw), s.methods[from]) + "handler:\n" + strings.Join(s.notes[from], "\n")
	delete(s.methods, from)
	delete(s.notes, from)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		text += "\nthe connection stays open"
	}
	return text
}

// same sends the pieces to both servers and compares the results. It sends them alone, and
// with another request after them, which shows whether the connection is kept. The client
// sends nothing more.
func (p *pair) same(t testing.TB, pieces ...string) {
	t.Helper()
	p.compare(t, true, pieces)
	p.compare(t, true, append(slices.Clone(pieces), probe))
}

// compare returns the results of both servers.
func (p *pair) compare(t testing.TB, halfClose bool, pieces []string) string {
	t.Helper()
	want, got := p.bare.told(t, pieces, halfClose), p.fronted.told(t, pieces, halfClose)
	if strings.Contains(want, "unexpected EOF") {
		// The client sends nothing more. Both servers close the connection, but net/http
		// does not announce it when the handler has found the error.
		want, got = strings.ReplaceAll(want, "Connection: close\n", ""), strings.ReplaceAll(got, "Connection: close\n", "")
	}
	if got != want {
		t.Errorf("%.2000q, half-closed: %v\n--- net/http:\n%s\n--- front:\n%s", pieces, halfClose, shortened(want), shortened(got))
	}
	return want
}

func shortened(text string) string {
	if len(text) > 6000 {
		return fmt.Sprintf("%s … %d bytes", text[:6000], len(text))
	}
	return text
}

// normal returns the received bytes without the differences that are allowed: the Date,
// the order of the field lines, and the chunks of a body.
func normal(raw string, methods []string) string {
	var all strings.Builder
	for raw != "" {
		head, rest, found := strings.Cut(raw, "\r\n\r\n")
		if !found {
			break
		}
		line, fields, _ := strings.Cut(head, "\r\n")
		lines := strings.Split(fields, "\r\n")
		slices.Sort(lines)
		header := map[string]string{}
		for i, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			if name == "Date" {
				if _, err := time.Parse(http.TimeFormat, value); err == nil {
					lines[i] = "Date: (now)"
				}
			}
			header[name] = value
		}
		status := strings.TrimPrefix(line, "HTTP/1.1 ")
		fmt.Fprintf(&all, "%s\n%s\n\n", line, strings.Join(lines, "\n"))
		if status[:1] == "1" && status[:3] != "101" {
			raw = rest
			continue
		}
		method := ""
		if len(methods) > 0 {
			method, methods = methods[0], methods[1:]
		}
		var body string
		none := method == "HEAD" || slices.Contains([]string{"101", "204", "304"}, status[:3])
		if body, raw = bodyOf(rest, header, none, slices.Contains(lines, "Transfer-Encoding: chunked")); body != "" {
			fmt.Fprintf(&all, "%s\n", body)
		}
	}
	return all.String() + raw + "\n"
}

// cutOff stands for an incomplete body. How much of it is sent before a handler
// panics depends on the buffers.
const cutOff = "(cut off)"

// bodyOf returns the body of the received bytes.
func bodyOf(rest string, header map[string]string, none, chunked bool) (body, next string) {
	length, err := strconv.Atoi(header["Content-Length"])
	switch {
	case none:
		return "", rest
	case chunked:
		return dechunked(rest)
	case err != nil:
		return rest, ""
	case length > len(rest):
		return cutOff, ""
	}
	return rest[:length], rest[length:]
}

func dechunked(rest string) (body, next string) {
	var all strings.Builder
	for {
		line, after, found := strings.Cut(rest, "\r\n")
		size, err := strconv.ParseUint(line, 16, 31)
		if !found || err != nil || size > 0 && len(after) < int(size)+2 {
			return cutOff, ""
		}
		if size == 0 {
			trailers, after, found := strings.Cut("\r\n"+after, "\r\n\r\n")
			if !found {
				return cutOff, ""
			}
			lines := strings.Split(trailers, "\r\n")
			slices.Sort(lines)
			return fmt.Sprintf("(chunked) %s %q", all.String(), lines), after
		}
		all.WriteString(after[:size])
		rest = strings.TrimPrefix(after[size:], "\r\n")
	}
}

// report records everything in a request.
func report(w http.ResponseWriter, r *http.Request, note noteFunc) {
	body, err := io.ReadAll(r.Body)
	server, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	_, _, remoteErr := net.SplitHostPort(r.RemoteAddr)
	var header bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(&header, " %q=%q", name, r.Header[name])
	}
	target := fmt.Sprintf("%q %#v forced=%v", r.RequestURI, r.URL, r.URL.ForceQuery)
	if r.URL.User != nil {
		target = fmt.Sprintf("%q %s", r.RequestURI, r.URL)
	}
	text := fmt.Sprintf("%s %s %s %d.%d host=%q header=%s length=%d coding=%q close=%v trailer=%v tls=%v pattern=%q "+
		"body=%d %.100q err=%v server=%v local=%v remote=%v no body=%v",
		r.Method, target, r.Proto, r.ProtoMajor, r.ProtoMinor, r.Host, &header, r.ContentLength, r.TransferEncoding, r.Close,
		r.Trailer, r.TLS, r.Pattern, len(body), body, err, server != nil, local != nil, remoteErr, r.Body == http.NoBody)
	note("%s", text)
	_, _ = io.WriteString(w, text)
}
