package auth

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// An issuer takes new keys into use, and old ones out of it.
func TestKeysRotate(t *testing.T) {
	before, after := newNamedKey(t, "before"), newNamedKey(t, "after")
	server := newIssuerServer(t, before)
	synctest.Test(t, func(t *testing.T) {
		gateway := newLiveIssuers(t, nil, listed(server.url))
		gateway.expect(t, before.token(t), nil) // waits for the first reading
		server.expectRequests(t, 1)

		server.publish(jwks(t, before, after))
		gateway.expect(t, after.token(t), refuseKey) // read a moment ago
		server.expectRequests(t, 1)
		waitReal(ReadInterval)
		gateway.expect(t, after.token(t), nil)
		server.expectRequests(t, 2)

		server.publish(jwks(t, after))
		gateway.expect(t, before.token(t), nil)
		waitReal(defaultFresh)
		server.expectRequests(t, 3)
		gateway.expect(t, before.token(t), refuseKey)
		gateway.expect(t, after.token(t), nil)
		server.expectRequests(t, 3)
	})
}

// Whoever makes up key ids costs the issuer one request in five seconds, all
// of them together, and holds nobody else up.
func TestUnknownKeysStorm(t *testing.T) {
	known, stranger := newNamedKey(t, "known"), newNamedKey(t, "")
	server := newIssuerServer(t, known)
	synctest.Test(t, func(t *testing.T) {
		gateway := newLiveIssuers(t, nil, listed(server.url))
		gateway.expect(t, known.token(t), nil)
		for round := range int32(3) {
			waitReal(ReadInterval)
			var storm sync.WaitGroup
			for id := range 50 {
				stranger.id = "made up " + strings.Repeat("x", id)
				token := stranger.token(t)
				storm.Go(func() { gateway.expect(t, token, refuseKey) })
			}
			storm.Wait()
			gateway.expect(t, known.token(t), nil)
			gateway.expect(t, stranger.token(t), refuseKey)
			server.expectRequests(t, 2+round)
		}
		if strings.Contains(gateway.log.String(), "made up") {
			t.Errorf("what clients send is in the log: %s", gateway.log)
		}
	})
}

// Whatever becomes of the issuer, the last good keys are kept; what they cannot
// answer is 503. The log tells once.
func TestIssuerGoesBad(t *testing.T) {
	good, next := newNamedKey(t, "good"), newNamedKey(t, "next")
	weak := jwks(t, namedKey{"weak", newRSA(t, 1024)})
	text := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(body)) }
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		reason string
	}{
		"error":         {status(500), "status 500"},
		"not found":     {status(404), "status 404"},
		"no content":    {status(204), "status 204"},
		"hangs up":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"redirects":     {http.RedirectHandler("/elsewhere", http.StatusFound).ServeHTTP, "redirected away from https"},
		"empty":         {text(""), "no usable key"},
		"page":          {text("<html>Sorry!</html>"), "no usable key"},
		"broken":        {text(`{"keys":[{"kty":`), "read JWK set"},
		"other type":    {text(`{"keys":7}`), "read JWK set"},
		"no set":        {text(`{}`), "no usable key"},
		"empty set":     {text(`{"keys":[]}`), "no usable key"},
		"weak keys":     {text(string(weak)), "RSA of 1024 bits"},
		"secrets":       {text(`{"keys":[{"kty":"oct","k":"AAAA"}]}`), "not a public key"},
		"too many keys": {text(`{"keys":[` + strings.Repeat(`{"kty":"x"},`, maxIssuerKeys) + `{"kty":"x"}]}`), "more than 100 keys"},
		"too big":       {text(`{"keys":[]}` + strings.Repeat(" ", maxSetBytes)), "more than 1048576 bytes"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for _, err := w.Write(make([]byte, 1<<16)); err == nil; {
				_, err = w.Write(make([]byte, 1<<16))
			}
		}, "more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			server := newIssuerServer(t, good)
			synctest.Test(t, func(t *testing.T) {
				gateway := newLiveIssuers(t, nil, listed(server.url))
				gateway.expect(t, good.token(t), nil)
				server.serve(test.answer)
				waitReal(defaultFresh + 3*retryPause)
				server.expectRequests(t, 1+1+3)
				gateway.expect(t, good.token(t), nil)
				gateway.expect(t, next.token(t), refuseIssuer)
				log := gateway.log.String()
				if strings.Count(log, "cannot be read") != 1 || !strings.Contains(log, test.reason) || !strings.Contains(log, "keys_kept=1") {
					t.Errorf("log: %s", log)
				}
				if strings.Contains(log, "secret") {
					t.Errorf("the query of the URL is in the log: %s", log)
				}
				server.publish(jwks(t, next))
				waitReal(retryPause)
				gateway.expect(t, next.token(t), nil)
				if log := gateway.log.String(); !strings.Contains(log, "can be read again") {
					t.Errorf("log: %s", log)
				}
			})
		})
	}
}

// An issuer that is away at the start is asked for again by the first token.
func TestIssuerAwayAtStart(t *testing.T) {
	good := newNamedKey(t, "good")
	server := newIssuerServer(t, good)
	server.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	synctest.Test(t, func(t *testing.T) {
		gateway := newLiveIssuers(t, nil, listed(server.url))
		gateway.expect(t, good.token(t), refuseIssuer)
		gateway.expect(t, signed(t, claims(nil)), nil) // ours are as good as ever
		server.publish(jwks(t, good))
		gateway.expect(t, good.token(t), refuseIssuer)
		server.expectRequests(t, 1)
		waitReal(ReadInterval)
		gateway.expect(t, good.token(t), nil)
		server.expectRequests(t, 2)
	})
}

// roundTrip is a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// An issuer that does not answer holds a request up for a moment only, and
// itself is not waited for endlessly.
func TestIssuerSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var given time.Duration
		gateway := newLiveIssuers(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			given = time.Since(start)
			return nil, r.Context().Err()
		}), listed("https://login.example.com/keys"))
		token := newNamedKey(t, "any").token(t)
		gateway.expect(t, token, refuseIssuer)
		if waited := time.Since(start); waited != readWait {
			t.Errorf("the request waited %v, want %v", waited, readWait)
		}
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		_, refusal := gateway.Verify(ctx, token)
		if waited := time.Since(start) - readWait; waited != time.Second || !errors.Is(refusal, context.Canceled) {
			t.Errorf("a client that left waited %v: %v", waited, refusal)
		}
		waitReal(fetchTimeout)
		if given != fetchTimeout {
			t.Errorf("the issuer was given %v, want %v", given, fetchTimeout)
		}
		gateway.Close()
		gateway.expect(t, token, refuseIssuer) // nobody reads any more
	})
}

// A file is read again when it changes, however it is replaced.
func TestKeyFileChanges(t *testing.T) {
	first, second, third := newNamedKey(t, "1"), newNamedKey(t, "2"), newNamedKey(t, "3")
	folder := t.TempDir()
	path := filepath.Join(folder, "keys")
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		gateway := newLiveIssuers(t, nil, listed(path))
		gateway.expect(t, first.token(t), refuseIssuer)
		write("keys", jwks(t, first))
		waitReal(fileFresh)
		gateway.expect(t, first.token(t), nil)

		write("new", publicPEM(t, second.key.Public()))
		if err := os.Rename(filepath.Join(folder, "new"), path); err != nil {
			t.Fatal(err)
		}
		waitReal(fileFresh)
		gateway.expect(t, second.token(t), nil)
		gateway.expect(t, first.token(t), refuseSignature)

		for _, bad := range []string{"", "-----BEGIN PUBLIC KEY-----", `{"keys":`} {
			write("keys", []byte(bad))
			waitReal(fileFresh)
			gateway.expect(t, second.token(t), nil)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		waitReal(fileFresh)
		gateway.expect(t, second.token(t), nil)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		waitReal(fileFresh)
		gateway.expect(t, second.token(t), nil)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		write("keys", jwks(t, third))
		waitReal(fileFresh)
		gateway.expect(t, third.token(t), nil)
	})
}
