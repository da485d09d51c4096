package main

import (
	"context"
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"gatehouse/internal/testkit"
)

// upgradeLoad is what clients do while a gateway is replaced.
type upgradeLoad struct {
	t        *testing.T
	ctx      context.Context
	clients  sync.WaitGroup
	answered atomic.Int64
	failed   atomic.Int64
}

// keepAsking sends requests until the context ends. A client that keeps its connections
// must send GETs, which it sends again when its connection was closed while it was silent.
func (l *upgradeLoad) keepAsking(client *http.Client, method, url string) {
	for l.ctx.Err() == nil {
		req, err := http.NewRequest(method, url, strings.NewReader("body"))
		if err != nil {
			l.t.Error(err)
			return
		}
		res, err := client.Do(req)
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		if err != nil || res.StatusCode != http.StatusOK {
			if l.failed.Add(1) == 1 {
				l.t.Errorf("a request was lost: %v", err)
			}
			continue
		}
		l.answered.Add(1)
	}
}

// awaitMore waits for more answers.
func (l *upgradeLoad) awaitMore(count int64) {
	l.t.Helper()
	want := l.answered.Load() + count
	testkit.Eventually(l.t, "more answers", func() bool { return l.answered.Load() >= want })
}

// heldSockets are sockets that a parent of the gateway keeps open, as systemd does.
type heldSockets struct {
	web, redirect net.Listener
	local         net.Listener // a unix socket
	path          string       // of local
}

func holdSockets(t *testing.T) *heldSockets {
	t.Helper()
	h := &heldSockets{path: socketPath(t)}
	for _, one := range []struct {
		socket           *net.Listener
		network, address string
	}{{&h.web, "tcp", "127.0.0.1:0"}, {&h.redirect, "tcp", "127.0.0.1:0"}, {&h.local, "unix", h.path}} {
		opened, err := net.Listen(one.network, one.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { opened.Close() })
		*one.socket = opened
	}
	return h
}

// start starts a gateway with the sockets.
func (h *heldSockets) start(t *testing.T, table string, settings map[string]string) *process {
	t.Helper()
	var files []*os.File
	for _, socket := range []net.Listener{h.web, h.redirect, h.local} {
		file, err := socket.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	defer func() {
		for _, file := range files {
			file.Close()
		}
	}()
	all := map[string]string{"LISTEN_FDS": "3", "LISTEN_FDNAMES": "web:redirect:local", "GATEWAY_LISTEN": "systemd:web systemd"}
	maps.Copy(all, settings)
	return startCommand(t, underSystemd(t, table, files...), all)
}

// ask begins the load: clients with connections that they keep, or one for each request,
// over HTTP/1.1 and HTTP/2, and those of a unix socket. Over TLS, some begin with http.
func (h *heldSockets) ask(load *upgradeLoad, clientTLS *tls.Config) {
	scheme := map[bool]string{true: "https", false: "http"}[clientTLS != nil]
	client := func(fresh, h2 bool) *http.Client {
		transport := &http.Transport{DisableKeepAlives: fresh, TLSClientConfig: clientTLS.Clone(), Protocols: new(http.Protocols)}
		transport.Protocols.SetHTTP1(!h2)
		transport.Protocols.SetHTTP2(h2)
		transport.Protocols.SetUnencryptedHTTP2(h2 && clientTLS == nil)
		load.t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport, Timeout: startTimeout}
	}
	begin := func(client *http.Client, method, url string) {
		load.clients.Go(func() { load.keepAsking(client, method, url+"/open") })
	}
	web := scheme + "://" + h.web.Addr().String()
	for range 2 {
		begin(client(false, false), "GET", web)
		begin(client(true, false), "POST", web)
	}
	begin(client(false, true), "GET", web)
	if clientTLS != nil {
		begin(client(true, false), "POST", "http://"+h.redirect.Addr().String())
		begin(client(true, false), "POST", "http://"+h.web.Addr().String())
	} else {
		local := unixClient(load.t, h.path, true)
		local.Timeout = startTimeout
		begin(local, "POST", "http://x")
	}
}

// TestUpgradeWithSystemdsSockets holds sockets as systemd does, and replaces the gateway
// several times under load. No connection is refused and no request is lost.
func TestUpgradeWithSystemdsSockets(t *testing.T) {
	t.Parallel()
	certificate, key, roots := selfSigned(t)
	for name, c := range map[string]struct {
		settings map[string]string
		tls      *tls.Config
	}{
		"lean":     {settings: map[string]string{"GATEWAY_TRANSPORT": "lean"}},
		"standard": {settings: map[string]string{"GATEWAY_TRANSPORT": "standard"}},
		"TLS": {
			settings: map[string]string{"GATEWAY_TLS_CERT_FILE": certificate, "GATEWAY_TLS_KEY_FILE": key, "GATEWAY_REDIRECT_LISTEN": "systemd:redirect"},
			tls:      &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, sockets := openTable(t, forwardedBackend(t)), holdSockets(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			load := &upgradeLoad{t: t, ctx: ctx}
			p := sockets.start(t, table, c.settings)
			sockets.ask(load, c.tls)
			for round := range 4 {
				load.awaitMore(20)
				old := p
				if round%2 == 1 {
					p = sockets.start(t, table, c.settings) // both serve for a while
					load.awaitMore(20)
				}
				if err := old.cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				if err := old.cmd.Wait(); err != nil {
					t.Errorf("exit: %v\n%s", err, old.log)
				}
				if round%2 == 0 {
					p = sockets.start(t, table, c.settings) // what has arrived in between waits in the sockets
				}
			}
			load.awaitMore(20)
			cancel()
			load.clients.Wait()
			if load.failed.Load() > 0 {
				t.Errorf("%d of %d requests were lost", load.failed.Load(), load.failed.Load()+load.answered.Load())
			}
		})
	}
}
