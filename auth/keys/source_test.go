package keys_test

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

	"gatehouse/auth/authtest"
	"gatehouse/auth/keys"
	"gatehouse/internal/testkit"
)

// An issuer starts to use new keys, and stops using old ones.
func TestKeysRotate(t *testing.T) {
	before, after := authtest.NewNamedKey(t, "before"), authtest.NewNamedKey(t, "after")
	server := authtest.NewIssuerServer(t, before)
	synctest.Test(t, func(t *testing.T) {
		gateway := newLiveIssuers(t, nil, authtest.Listed(server.URL))
		gateway.expect(t, before.Token(t), nil) // waits for the first reading
		server.ExpectRequests(t, 1)

		server.Publish(authtest.JWKS(t, before, after))
		gateway.expect(t, after.Token(t), refuseKey) // read a moment ago
		server.ExpectRequests(t, 1)
		authtest.Sleep(keys.ReadInterval)
		gateway.expect(t, after.Token(t), nil)
		server.ExpectRequests(t, 2)

		server.Publish(authtest.JWKS(t, after))
		gateway.expect(t, before.Token(t), nil)
		authtest.Sleep(keys.DefaultFresh)
		server.ExpectRequests(t, 3)
		gateway.expect(t, before.Token(t), refuseKey)
		gateway.expect(t, after.Token(t), nil)
		server.ExpectRequests(t, 3)
	})
}

// Invented key ids cost the issuer one request in five seconds in total, and
// delay no other request.
func TestUnknownKeysUnderLoad(t *testing.T) {
	known, stranger := authtest.NewNamedKey(t, "known"), authtest.NewNamedKey(t, "")
	server := authtest.NewIssuerServer(t, known)
	synctest.Test(t, func(t *testing.T) {
		gateway := newLiveIssuers(t, nil, authtest.Listed(server.URL))
		gateway.expect(t, known.Token(t), nil)
		for round := range int32(3) {
			authtest.Sleep(keys.ReadInterval)
			var requests sync.WaitGroup
			for id := range 50 {
				stranger.ID = "made up " + strings.Repeat("x", id)
				token := stranger.Token(t)
				requests.Go(func() { gateway.expect(t, token, refuseKey) })
			}
			requests.Wait()
			gateway.expect(t, known.Token(t), nil)
			gateway.expect(t, stranger.Token(t), refuseKey)
			server.ExpectRequests(t, 2+round)
		}
		if strings.Contains(gateway.log.String(), "made up") {
			t.Errorf("what clients send is in the log: %s", gateway.log)
		}
	})
}

// The last good keys stay in use, whatever happens to the issuer. Tokens with
// other keys are answered 503. The log reports it once.
func TestIssuerGoesBad(t *testing.T) {
	good, next := authtest.NewNamedKey(t, "good"), authtest.NewNamedKey(t, "next")
	weak := authtest.JWKS(t, authtest.NamedKey{ID: "weak", Key: authtest.NewRSA(t, 1024)})
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
		"too many keys": {text(`{"keys":[` + strings.Repeat(`{"kty":"x"},`, keys.MaxIssuerKeys) + `{"kty":"x"}]}`), "more than 100 keys"},
		"too big":       {text(`{"keys":[]}` + strings.Repeat(" ", keys.MaxSetBytes)), "more than 1048576 bytes"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for _, err := w.Write(make([]byte, 1<<16)); err == nil; {
				_, err = w.Write(make([]byte, 1<<16))
			}
		}, "more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			server := authtest.NewIssuerServer(t, good)
			synctest.Test(t, func(t *testing.T) {
				gateway := newLiveIssuers(t, nil, authtest.Listed(server.URL))
				gateway.expect(t, good.Token(t), nil)
				server.Serve(test.answer)
				authtest.Sleep(keys.DefaultFresh + 3*keys.RetryPause)
				server.ExpectRequests(t, 1+1+3)
				gateway.expect(t, good.Token(t), nil)
				gateway.expect(t, next.Token(t), refuseIssuer)
				log := gateway.log.String()
				if strings.Count(log, "cannot be read") != 1 || !strings.Contains(log, test.reason) || !strings.Contains(log, "keys_kept=1") {
					t.Errorf("log: %s", log)
				}
				if strings.Contains(log, "secret") {
					t.Errorf("the query of the URL is in the log: %s", log)
				}
				server.Publish(authtest.JWKS(t, next))
				authtest.Sleep(keys.RetryPause)
				gateway.expect(t, next.Token(t), nil)
				if log := gateway.log.String(); !strings.Contains(log, "can be read again") {
					t.Errorf("log: %s", log)
				}
			})
		})
	}
}

// The first token causes another reading when the issuer was down at the start.
func TestIssuerAwayAtStart(t *testing.T) {
	good := authtest.NewNamedKey(t, "good")
	server := authtest.NewIssuerServer(t, good)
	server.Serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	synctest.Test(t, func(t *testing.T) {
		gateway := newLiveIssuers(t, nil, authtest.Listed(server.URL))
		gateway.expect(t, good.Token(t), refuseIssuer)
		gateway.expect(t, authtest.Signed(t, authtest.Claims(nil)), nil) // ours are as good as ever
		server.Publish(authtest.JWKS(t, good))
		gateway.expect(t, good.Token(t), refuseIssuer)
		server.ExpectRequests(t, 1)
		authtest.Sleep(keys.ReadInterval)
		gateway.expect(t, good.Token(t), nil)
		server.ExpectRequests(t, 2)
	})
}

// roundTrip is a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A silent issuer delays a request for a moment only, and the gateway does not
// wait for it forever.
func TestIssuerSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var given time.Duration
		gateway := newLiveIssuers(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			given = time.Since(start)
			return nil, r.Context().Err()
		}), authtest.Listed("https://login.example.com/keys"))
		token := authtest.NewNamedKey(t, "any").Token(t)
		gateway.expect(t, token, refuseIssuer)
		if waited := time.Since(start); waited != keys.ReadWait {
			t.Errorf("the request waited %v, want %v", waited, keys.ReadWait)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, refusal := gateway.Verify(ctx, token)
		if waited := time.Since(start) - keys.ReadWait; waited != time.Second || !errors.Is(refusal, context.Canceled) {
			t.Errorf("a client that left waited %v: %v", waited, refusal)
		}
		authtest.Sleep(keys.FetchTimeout)
		if given != keys.FetchTimeout {
			t.Errorf("the issuer was given %v, want %v", given, keys.FetchTimeout)
		}
		gateway.Close()
		gateway.expect(t, token, refuseIssuer) // nobody reads any more
	})
}

// A file is read again when it changes, in whatever way it is replaced.
func TestKeyFileChanges(t *testing.T) {
	first, second, third := authtest.NewNamedKey(t, "1"), authtest.NewNamedKey(t, "2"), authtest.NewNamedKey(t, "3")
	folder := t.TempDir()
	path := filepath.Join(folder, "keys")
	write := func(name string, content []byte) {
		t.Helper()
		testkit.WriteFile(t, filepath.Join(folder, name), content)
	}
	synctest.Test(t, func(t *testing.T) {
		gateway := newLiveIssuers(t, nil, authtest.Listed(path))
		gateway.expect(t, first.Token(t), refuseIssuer)
		write("keys", authtest.JWKS(t, first))
		authtest.Sleep(keys.FileFresh)
		gateway.expect(t, first.Token(t), nil)

		write("new", authtest.PublicPEM(t, second.Key.Public()))
		if err := os.Rename(filepath.Join(folder, "new"), path); err != nil {
			t.Fatal(err)
		}
		authtest.Sleep(keys.FileFresh)
		gateway.expect(t, second.Token(t), nil)
		gateway.expect(t, first.Token(t), refuseSignature)

		for _, bad := range []string{"", "-----BEGIN PUBLIC KEY-----", `{"keys":`} {
			write("keys", []byte(bad))
			authtest.Sleep(keys.FileFresh)
			gateway.expect(t, second.Token(t), nil)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		authtest.Sleep(keys.FileFresh)
		gateway.expect(t, second.Token(t), nil)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		authtest.Sleep(keys.FileFresh)
		gateway.expect(t, second.Token(t), nil)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		write("keys", authtest.JWKS(t, third))
		authtest.Sleep(keys.FileFresh)
		gateway.expect(t, third.Token(t), nil)
	})
}
