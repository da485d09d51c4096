package testkit

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// Serve serves a handler over HTTP/1.1 until the test ends, and discards the
// server's errors. It returns the URL.
func Serve(t testing.TB, handler http.HandlerFunc) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = DiscardLog()
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// ServeH2C is Serve over HTTP/2 without TLS only. configure changes the server
// before it starts.
func ServeH2C(t testing.TB, handler http.HandlerFunc, configure ...func(*http.Server)) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	for _, change := range configure {
		change(server.Config)
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}
