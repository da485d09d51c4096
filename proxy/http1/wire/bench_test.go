package wire

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// token is as long as the tokens of real clients.
var token = strings.Repeat("eyJhbGciOi", 30)

var (
	requestHead = "GET /api/v1/things/42?fields=name HTTP/1.1\r\nHost: gateway.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
		"Accept: application/json\r\nAccept-Encoding: gzip, br\r\nAuthorization: Bearer " + token + "\r\nOrigin: https://app.example.com\r\n\r\n"
	responseHead = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 512\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n" +
		"Cache-Control: no-store\r\nEtag: \"33a64df5\"\r\n\r\n"
)

func BenchmarkRequest(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(requestHead)))
	for b.Loop() {
		var r http.Request
		if !Request(requestHead, &r) {
			b.Fatal("it is not plain")
		}
	}
}

func BenchmarkResponse(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(responseHead)))
	for b.Loop() {
		if _, ok := Response(responseHead, http.MethodGet); !ok {
			b.Fatal("it is not plain")
		}
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	var r http.Request
	if !Request(requestHead, &r) {
		b.Fatal("it is not plain")
	}
	r.URL = &url.URL{Scheme: "http", Host: "backend:8080", Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	to := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := AppendRequest(to, &r); !ok {
			b.Fatal("it is not plain")
		}
	}
}

func BenchmarkIsValue(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(token)))
	for b.Loop() {
		if !IsValue(token) {
			b.Fatal("it is no value")
		}
	}
}
