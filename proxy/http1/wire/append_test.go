package wire

import (
	"bytes"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// written is a request that is written to a backend: its method, and where its host and
// target come from.
type written struct {
	method, host         string
	urlHost, path, query string
	opaque               string
	lone                 bool // a question mark with nothing behind
	header               http.Header
	plain                bool
}

func (w written) request() *http.Request {
	return &http.Request{
		Method: w.method, Host: w.host, Header: w.header,
		URL: &url.URL{Scheme: "http", Host: w.urlHost, Path: w.path, RawQuery: w.query, Opaque: w.opaque, ForceQuery: w.lone},
	}
}

// agent is a header with a User-Agent; without it, net/http adds its own.
func agent(more http.Header) http.Header {
	header := http.Header{"User-Agent": {""}}
	maps.Copy(header, more)
	return header
}

var writtenCases = map[string]written{
	"GET":                  {method: "GET", host: "a", path: "/", header: agent(nil), plain: true},
	"no method":            {host: "a", path: "/", header: agent(nil), plain: true},
	"HEAD":                 {method: "HEAD", host: "a", path: "/", header: agent(nil), plain: true},
	"POST":                 {method: "POST", host: "a", path: "/", header: agent(nil), plain: true},
	"PUT":                  {method: "PUT", host: "a", path: "/", header: agent(nil), plain: true},
	"PATCH":                {method: "PATCH", host: "a", path: "/", header: agent(nil), plain: true},
	"DELETE":               {method: "DELETE", host: "a", path: "/", header: agent(nil), plain: true},
	"a method of its own":  {method: "brew", host: "a", path: "/", header: agent(nil), plain: true},
	"a tunnel":             {method: "CONNECT", host: "a:80", header: agent(nil)},
	"the URL's host":       {method: "GET", urlHost: "b:80", path: "/", header: agent(nil), plain: true},
	"the request's host":   {method: "GET", host: "a", urlHost: "b", path: "/", header: agent(nil), plain: true},
	"no host":              {method: "GET", path: "/", header: agent(nil), plain: true},
	"a host with a path":   {method: "GET", host: "a/b", path: "/", header: agent(nil)},
	"a host with a line":   {method: "GET", host: "a\r\nX: y", path: "/", header: agent(nil)},
	"a host with a zone":   {method: "GET", host: "[fe80::1%25en0]:80", path: "/", header: agent(nil)},
	"an encoded host":      {method: "GET", host: "a%2fb", path: "/", header: agent(nil)},
	"a host in brackets":   {method: "GET", host: "[::1]:80", path: "/", header: agent(nil), plain: true},
	"a foreign host":       {method: "GET", host: "b\u00fccher.example", path: "/", header: agent(nil)},
	"query":                {method: "GET", host: "a", path: "/a b", query: "c=d", header: agent(nil), plain: true},
	"lone question mark":   {method: "GET", host: "a", path: "/", lone: true, header: agent(nil), plain: true},
	"no path":              {method: "GET", host: "a", header: agent(nil), plain: true},
	"opaque":               {method: "GET", host: "a", opaque: "/%zz/..", query: "a", header: agent(nil), plain: true},
	"opaque, two slashes":  {method: "GET", host: "a", opaque: "//b/c", header: agent(nil), plain: true},
	"asterisk":             {method: "OPTIONS", host: "a", opaque: "*", header: agent(nil), plain: true},
	"a blank in the query": {method: "GET", host: "a", path: "/", query: "a b", header: agent(nil), plain: true},
	"a tab in the query":   {method: "GET", host: "a", path: "/", query: "a\tb", header: agent(nil)},
	"a line in the query":  {method: "GET", host: "a", path: "/", query: "a HTTP/1.1\r\nX: y", header: agent(nil)},
	"DEL in the query":     {method: "GET", host: "a", path: "/", query: "\x7f", header: agent(nil)},
	"a line in the opaque": {method: "GET", host: "a", opaque: "/\n", header: agent(nil)},
	"no agent":             {method: "GET", host: "a", path: "/", header: http.Header{}},
	"an agent of nothing":  {method: "GET", host: "a", path: "/", header: http.Header{"User-Agent": nil}},
	"an agent":             {method: "GET", host: "a", path: "/", header: http.Header{"User-Agent": {" curl/8\t"}}, plain: true},
	"two agents":           {method: "GET", host: "a", path: "/", header: http.Header{"User-Agent": {"a", "b"}}, plain: true},
	"an agent of blanks":   {method: "GET", host: "a", path: "/", header: http.Header{"User-Agent": {" "}}, plain: true},
	"fields": {
		method: "GET", host: "a", path: "/", plain: true,
		header: agent(http.Header{"X-A": {"b", "", " c\t", "\xff"}, "x-lower": {"d"}, "X-None": {}, "Connection": {"close"}}),
	},
	"what is not the caller's to say": {
		method: "POST", host: "a", path: "/", plain: true,
		header: agent(http.Header{"Host": {"evil"}, "Content-Length": {"9"}, "Transfer-Encoding": {"chunked"}, "Trailer": {"X-A"}, "X-A": {"b"}}),
	},
}

func TestAppendRequest(t *testing.T) {
	for name, c := range writtenCases {
		t.Run(name, func(t *testing.T) {
			if ok := wantAsWritten(t, c.request()); ok != c.plain {
				t.Errorf("ok is %t, want %t", ok, c.plain)
			}
		})
	}
}

// Requests with more than a header are left to net/http.
func TestAppendRequestLeaves(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"close":        func(r *http.Request) { r.Close = true },
		"a length":     func(r *http.Request) { r.ContentLength = 5 },
		"no length":    func(r *http.Request) { r.ContentLength = -1 },
		"a coding":     func(r *http.Request) { r.TransferEncoding = []string{"chunked"} },
		"identity":     func(r *http.Request) { r.TransferEncoding = []string{"identity"} },
		"with a trail": func(r *http.Request) { r.Trailer = http.Header{"X-A": nil} },
	} {
		t.Run(name, func(t *testing.T) {
			r := writtenCases["POST"].request()
			change(r)
			if head, ok := AppendRequest([]byte("before"), r); ok || string(head) != "before" {
				t.Errorf("it wrote %q, plain: %t", head, ok)
			}
		})
	}
}

// FuzzAppendRequest checks that AppendRequest writes what http.Request.Write writes, in
// any order, and only one head.
func FuzzAppendRequest(f *testing.F) {
	for _, c := range writtenCases {
		agents := c.header["User-Agent"]
		if len(agents) == 0 {
			continue
		}
		f.Add(c.method, c.host, c.urlHost, c.path, c.query, c.opaque, c.lone, agents[0], "X-A", "b", "x-lower", " c ")
		f.Add(c.method, c.host, c.urlHost, c.path, c.query, c.opaque, c.lone, agents[0], "Content-Length", "5", "Host", "evil")
	}
	f.Fuzz(func(t *testing.T, method, host, urlHost, path, query, opaque string, lone bool, agent, name1, value1, name2, value2 string) {
		header := http.Header{"User-Agent": {agent}, name1: {value1, value2}}
		header[name2] = append(header[name2], value2)
		if method != "" && !IsName(method) || !IsWritable(header) {
			return
		}
		wantAsWritten(t, written{method: method, host: host, urlHost: urlHost, path: path, query: query, opaque: opaque, lone: lone, header: header}.request())
	})
}

// wantAsWritten fails when AppendRequest and http.Request.Write write different fields.
// Their order may differ.
func wantAsWritten(t *testing.T, r *http.Request) (ok bool) {
	t.Helper()
	const before = "before"
	head, ok := AppendRequest([]byte(before), r)
	got, kept := strings.CutPrefix(string(head), before)
	if !kept || !ok && got != "" {
		t.Fatalf("it gives %q, plain: %t", head, ok)
	}
	if !ok {
		return false
	}
	var want bytes.Buffer
	if err := r.Write(&want); err != nil {
		t.Fatalf("%q was written, of which net/http says: %v", got, err)
	}
	if diff := cmp.Diff(lines(want.String()), lines(got)); diff != "" {
		t.Errorf("(-net/http +ours): %s", diff)
	}
	if end := HeadEnd([]byte(got)); end != len(got) {
		t.Errorf("%q goes on behind its end at %d", got, end)
	}
	return true
}

// lines returns the first line of a head, and the others sorted. Lines with the same name
// keep their order.
func lines(head string) []string {
	all := strings.Split(head, "\r\n")
	slices.SortStableFunc(all[1:], func(a, b string) int {
		nameA, _, _ := strings.Cut(a, ":")
		nameB, _, _ := strings.Cut(b, ":")
		return strings.Compare(nameA, nameB)
	})
	return all
}

func TestIsWritable(t *testing.T) {
	for name, c := range map[string]struct {
		header http.Header
		want   bool
	}{
		"nothing":        {nil, true},
		"fields":         {http.Header{"X-A": {"b", "", "\t"}, "x": nil}, true},
		"no name":        {http.Header{"": {"b"}}, false},
		"no name's none": {http.Header{"": nil}, false},
		"a blank":        {http.Header{"X A": {"b"}}, false},
		"a line":         {http.Header{"X-A": {"b", "c\r\nd: e"}}, false},
		"a NUL":          {http.Header{"X-A": {"b\x00"}}, false},
	} {
		if got := IsWritable(c.header); got != c.want {
			t.Errorf("%s: writable is %t, want %t", name, got, c.want)
		}
	}
}

// FuzzAppendField checks that AppendField writes the same as http.Header.Write for any
// input, and no line that is not of the field.
func FuzzAppendField(f *testing.F) {
	f.Add("X-A", "b", "c")
	f.Add("x-a", " b\t", "")
	f.Add("X A", "b", "c")
	f.Add("", "b", "c")
	f.Add("X-A\r\nX-B", "b", "c")
	f.Add("X-A", "b\r\nX-Evil: c", "\r\n\r\n")
	f.Add("X-A", "\nb\r", "\x00\x7f\xff")
	f.Add("X-A", "a value of eight and\nmore", " \r\n ")
	f.Fuzz(func(t *testing.T, name, value1, value2 string) {
		values := []string{value1, value2}
		given := slices.Clone(values)
		got := string(AppendField([]byte("before\r\n"), name, values))
		var want strings.Builder
		want.WriteString("before\r\n")
		if err := (http.Header{name: values}).Write(&want); err != nil {
			t.Fatal(err)
		}
		if got != want.String() {
			t.Errorf("it wrote %q, net/http writes %q", got, want.String())
		}
		ends := 1
		if IsName(name) {
			ends += len(values)
		}
		if strings.Count(got, "\r") != ends || strings.Count(got, "\n") != ends || strings.Count(got, "\r\n") != ends {
			t.Errorf("%q has not %d lines", got, ends)
		}
		if !slices.Equal(values, given) {
			t.Errorf("the caller's values became %q", values)
		}
	})
}
