package main

import (
	"crypto/tls"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// redirecting is the real binary over TLS, with a listener that redirects to
// https. It returns the address of that listener.
func redirecting(t *testing.T, settings map[string]string) (p *process, redirect string, client *http.Client) {
	t.Helper()
	backend := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.RequestURI)) })
	certificate, key, roots := selfSigned(t)
	redirect = testkit.FreeAddress(t)
	all := map[string]string{"GATEWAY_TLS_CERT_FILE": certificate, "GATEWAY_TLS_KEY_FILE": key, "GATEWAY_REDIRECT_LISTEN": redirect}
	maps.Copy(all, settings)
	p = startProcess(t, openTable(t, backend), all)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return p, redirect, &http.Client{Transport: transport, Timeout: testkit.Timeout}
}

// TestRedirectListen follows a browser that begins without TLS: at the listener
// for it, and at the port for TLS.
func TestRedirectListen(t *testing.T) {
	t.Parallel()
	p, redirect, client := redirecting(t, nil)
	p.log.Await(t, `"redirect_listen":"`+redirect+`"`)
	for _, begin := range []string{"http://" + redirect, p.url} {
		res, err := client.Get(begin + "/open/%20a?b=c%20d")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		want := "https" + strings.TrimPrefix(p.url, "http") + "/open/%20a?b=c%20d"
		if res.StatusCode != http.StatusOK || res.TLS == nil || res.Request.URL.String() != want || res.Request.Response.StatusCode != http.StatusPermanentRedirect {
			t.Errorf("%s leads to %s: %d", begin, res.Request.URL, res.StatusCode)
		}
		c := testkit.Dial(t, begin)
		c.Send("GET / HTTP/1.1\r\n\r\n")
		if res, _ := c.Receive(); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s without a Host: %d", begin, res.StatusCode)
		}
	}
	if metrics := do(t, request{url: p.operators + "/metrics"}).body; !strings.Contains(metrics, `gatehouse_http_requests_total{code="308",method="GET",route="_https"} 2`) {
		t.Errorf("the metrics do not tell of the redirects:\n%s", metrics)
	}
	p.log.Await(t, `"route":"_https","status":308`)
}

// TestRedirectPort sends clients to the port of the settings.
func TestRedirectPort(t *testing.T) {
	t.Parallel()
	_, redirect, _ := redirecting(t, map[string]string{"GATEWAY_REDIRECT_PORT": "443"})
	c := testkit.Dial(t, "http://"+redirect)
	c.Send("GET /a HTTP/1.1\r\nHost: example.com:80\r\n\r\n")
	if res, _ := c.Receive(); res.Header.Get("Location") != "https://example.com/a" {
		t.Errorf("leads to %q", res.Header.Get("Location"))
	}
}

// TestRedirectListenSlow uses clients that send hardly anything to either
// listener. None may stay connected.
func TestRedirectListenSlow(t *testing.T) {
	t.Parallel()
	p, redirect, client := redirecting(t, nil)
	for _, at := range []string{"http://" + redirect, p.url} {
		for _, begin := range []string{"", "G", "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na", "\x16", "\x16\x03\x01"} {
			t.Run(at+" "+begin, func(t *testing.T) {
				t.Parallel()
				c := testkit.Dial(t, at)
				_ = c.Conn.SetDeadline(time.Now().Add(2*readHeaderTimeout + testkit.Timeout))
				c.Send(begin)
				if strings.HasPrefix(begin, "GET") {
					stop := make(chan struct{})
					defer close(stop)
					go sendSlowly(c.Conn, stop)
				}
				_ = c.Rest() // fails at the deadline
			})
		}
	}
	if res, err := client.Get(p.url + "/open"); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("another client: %v", err)
	}
}
