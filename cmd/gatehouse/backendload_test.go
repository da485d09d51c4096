package main

// This file is the load of the tests that break a server of a backend.

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/internal/testkit"
)

// backendLoad is clients that send one request after the other, GET and POST by turns,
// until end is called. It counts the answers.
type backendLoad struct {
	t       testing.TB
	url     string
	body    string // of a POST
	want    string // what an answer to a POST ends with
	empty   string // what an answer to a GET ends with
	clients sync.WaitGroup
	ctx     context.Context
	stop    context.CancelFunc
	sent    atomic.Int64 // requests that were answered, or lost

	mu     sync.Mutex
	failed map[string]map[string]int // by method and outcome
	byName map[string]int            // good answers by server
}

// startLoad starts clients. A POST has a body of a size.
func startLoad(t testing.TB, url string, clients, size int) *backendLoad {
	l := &backendLoad{t: t, url: url, body: strings.Repeat("x", size), failed: map[string]map[string]int{}, byName: map[string]int{}}
	l.want, l.empty = digestOf(l.body), digestOf("")
	l.ctx, l.stop = context.WithCancel(context.Background())
	for client := range clients {
		l.clients.Go(func() { l.send(client) })
	}
	t.Cleanup(func() { l.end() })
	return l
}

func digestOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return fmt.Sprint(len(body), " ", hex.EncodeToString(sum[:]))
}

func (l *backendLoad) send(number int) {
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	for ; l.ctx.Err() == nil; number++ {
		if number%2 == 0 {
			l.count(http.MethodGet, l.one(transport, http.MethodGet, "", l.empty))
		} else {
			l.count(http.MethodPost, l.one(transport, http.MethodPost, l.body, l.want))
		}
	}
}

// one sends a request, and returns "" or what was wrong.
func (l *backendLoad) one(transport *http.Transport, method, body, want string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 2*testkit.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, l.url, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	r.GetBody = nil // the gateway answers every request: none is sent twice by the client
	res, err := transport.RoundTrip(r)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Sprint(res.StatusCode)
	}
	name, digest, _ := strings.Cut(string(text), " ")
	if digest != want {
		return "the server got another body: " + digest
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byName[name]++
	return ""
}

func (l *backendLoad) count(method, trouble string) {
	if trouble != "" {
		l.mu.Lock()
		if l.failed[method] == nil {
			l.failed[method] = map[string]int{}
		}
		l.failed[method][trouble]++
		l.mu.Unlock()
	}
	l.sent.Add(1)
}

// await returns when so many more requests have ended.
func (l *backendLoad) await(more int) {
	l.t.Helper()
	until := l.sent.Load() + int64(more)
	testkit.EventuallyWithin(l.t, startTimeout, "requests are answered", func() bool { return l.sent.Load() >= until })
}

// awaitServer returns when a server has answered so many more requests.
func (l *backendLoad) awaitServer(name string, more int) {
	l.t.Helper()
	until := l.answered(name) + more
	testkit.EventuallyWithin(l.t, startTimeout, name+" answers", func() bool { return l.answered(name) >= until })
}

// answered returns how many good answers a server has given.
func (l *backendLoad) answered(name string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byName[name]
}

// end ends the load. It returns the requests that were not answered well, by method and
// by what the client saw.
func (l *backendLoad) end() map[string]map[string]int {
	l.stop()
	l.clients.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

func sum(of map[string]int) (all int) {
	for _, n := range of {
		all += n
	}
	return all
}
