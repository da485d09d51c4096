package basic

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/account"
	"gatehouse/internal/httperr"
	"gatehouse/internal/testkit"
	"gatehouse/store"
)

var client = netip.MustParseAddr("192.0.2.1")

// clock is a time that a test moves on.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

func newChecker(t testing.TB, attempts store.Attempts) (*Checker, *clock) {
	t.Helper()
	passwords, err := account.NewPasswords(4, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := &clock{now: time.Date(2026, 3, 14, 8, 0, 0, 0, time.UTC)}
	return NewChecker(account.NewGuard(passwords, attempts, at.read, slog.New(slog.DiscardHandler)), at.read), at
}

func realmOf(t testing.TB, lines ...string) *Realm {
	t.Helper()
	users, err := parse(strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	users.file = "ops.htpasswd"
	return NewRealm(`the "shop"`, users)
}

// header returns an Authorization header with credentials.
func header(name, password string) http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))}}
}

// TestDecide sends credentials of all kinds.
func TestDecide(t *testing.T) {
	t.Parallel()
	checker, _ := newChecker(t, store.NewMemoryAttempts())
	realm := realmOf(t, "ops:"+hashOf(t, "secret", 4), "jürgen:"+hashOf(t, "geheim:mit:ß", 5), "empty:"+hashOf(t, "", 4))
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, test := range []struct {
		header http.Header
		user   string
		result auth.Result
	}{
		{header("ops", "secret"), "ops", ""},
		{header("ops", "secret"), "ops", ""}, // remembered
		{header("jürgen", "geheim:mit:ß"), "jürgen", ""},
		{header("empty", ""), "empty", ""},
		{http.Header{"Authorization": {"bAsIc  " + encode("ops:secret")}}, "ops", ""},
		{header("ops", "Secret"), "", auth.ResultPassword},
		{header("ops", ""), "", auth.ResultPassword},
		{header("OPS", "secret"), "", auth.ResultPassword},
		{header("nobody", "secret"), "", auth.ResultPassword},
		{header("jürgen", "secret"), "", auth.ResultPassword},
		{http.Header{}, "", auth.ResultNoToken},
		{http.Header{"Authorization": {"Bearer x"}}, "", auth.ResultNoToken},
		{http.Header{"Authorization": {""}}, "", auth.ResultNoToken},
		{http.Header{"Authorization": {"Basic"}}, "", auth.ResultNoToken},
		{http.Header{"Authorization": {"Basic !"}}, "", auth.ResultNoToken},
		{http.Header{"Authorization": {"Basic " + encode("ops")}}, "", auth.ResultNoToken},
		{http.Header{"Authorization": {"Basic " + encode(":secret")}}, "", auth.ResultNoToken},
		{http.Header{"Authorization": {"Basic " + encode("ops:secret\x00")}}, "", auth.ResultNoToken},
		{http.Header{"Authorization": {"Basic " + encode("ops:\xff")}}, "", auth.ResultNoToken},
		{http.Header{"Authorization": {"Basic " + strings.TrimRight(encode("ops:secret"), "=")}}, "", auth.ResultNoToken},
		{http.Header{"Authorization": {"Basic " + encode("ops:"+strings.Repeat("x", 2000))}}, "", auth.ResultNoToken},
	} {
		name, refusal := checker.Decide(t.Context(), realm, test.header, netip.Addr{})
		if test.result == "" {
			if refusal != nil || name != test.user {
				t.Errorf("%v: %q, %v", test.header, name, refusal)
			}
		} else {
			checkRefusal(t, refusal, test.result)
		}
		if answer := realm.Answer(test.header); (answer == nil) != (refusal == nil) {
			t.Errorf("%v: decided %v, answered %v", test.header, refusal, answer)
		}
	}
}

func checkRefusal(t *testing.T, refusal *httperr.Error, want auth.Result) {
	t.Helper()
	const challenge = `Basic realm="the \"shop\"", charset="UTF-8"`
	if refusal == nil || refusal.AuthResult != string(want) || refusal.Status != http.StatusUnauthorized || refusal.Challenge != challenge {
		t.Errorf("refusal %+v, want %s", refusal, want)
	}
}

// TestGuessing guesses until the throttle refuses even the right password, except where it
// is remembered.
func TestGuessing(t *testing.T) {
	t.Parallel()
	checker, at := newChecker(t, store.NewMemoryAttempts())
	realm := realmOf(t, "ops:"+hashOf(t, "secret", 4), "ada:"+hashOf(t, "lovelace", 4))
	for _, name := range []string{"ops", "nobody"} { // the answers do not show who exists
		results := map[string]int{}
		for i := range 10 {
			_, refusal := checker.Decide(t.Context(), realm, header(name, fmt.Sprint(i)), client)
			results[refusal.AuthResult]++
		}
		if results[string(auth.ResultPassword)] != 6 || results[string(auth.ResultThrottled)] != 4 {
			t.Errorf("%s: %v", name, results)
		}
	}
	_, refusal := checker.Decide(t.Context(), realm, header("ops", "secret"), client)
	if refusal == nil || refusal.Status != http.StatusTooManyRequests || refusal.RetryAfter <= 0 || refusal.Challenge != "" {
		t.Errorf("the right password too early: %+v", refusal)
	}
	if name, refusal := checker.Decide(t.Context(), realm, header("ada", "lovelace"), client); name != "ada" {
		t.Errorf("another user: %v", refusal)
	}
	at.advance(2 * time.Second)
	if name, refusal := checker.Decide(t.Context(), realm, header("ops", "secret"), client); name != "ops" {
		t.Errorf("after the wait: %v", refusal)
	}
	for i := range 10 {
		_, _ = checker.Decide(t.Context(), realm, header("ops", fmt.Sprint(i)), client)
	}
	if name, refusal := checker.Decide(t.Context(), realm, header("ops", "secret"), client); name != "ops" {
		t.Errorf("a remembered password: %v", refusal)
	}
}

// TestRemembered checks for how long, and for which file, a password is remembered.
func TestRemembered(t *testing.T) {
	t.Parallel()
	attempts := new(brokenAttempts)
	checker, at := newChecker(t, attempts)
	attempts.Attempts = store.NewMemoryAttempts()
	line := "ops:" + hashOf(t, "secret", 4)
	decide := func(realm *Realm, password string) auth.Result {
		_, refusal := checker.Decide(t.Context(), realm, header("ops", password), client)
		if refusal == nil {
			return auth.ResultAllowed
		}
		return auth.Result(refusal.AuthResult)
	}
	if got := decide(realmOf(t, line), "secret"); got != auth.ResultAllowed {
		t.Fatal(got)
	}
	attempts.Attempts = nil // nothing can be compared any more
	for name, test := range map[string]struct {
		lines    []string
		password string
		want     auth.Result
	}{
		"the same":             {[]string{line}, "secret", auth.ResultAllowed},
		"with another user":    {[]string{line, "ada:" + opsHash}, "secret", auth.ResultAllowed},
		"another password":     {[]string{line}, "Secret", auth.ResultUnavailable},
		"the user is gone":     {[]string{"ada:" + opsHash}, "secret", auth.ResultUnavailable},
		"the password changed": {[]string{"ops:" + hashOf(t, "another", 4)}, "secret", auth.ResultUnavailable},
		"another salt":         {[]string{"ops:" + hashOf(t, "secret", 4)}, "secret", auth.ResultUnavailable},
	} {
		if got := decide(realmOf(t, test.lines...), test.password); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	at.advance(rememberedFor - 1)
	if got := decide(realmOf(t, line), "secret"); got != auth.ResultAllowed {
		t.Errorf("just before the end: %s", got)
	}
	at.advance(1)
	if got := decide(realmOf(t, line), "secret"); got != auth.ResultUnavailable {
		t.Errorf("at the end: %s", got)
	}
}

// brokenAttempts fails while it has no Attempts.
type brokenAttempts struct{ store.Attempts }

func (b *brokenAttempts) Standings(ctx context.Context, keys ...string) ([]store.Standing, error) {
	if b.Attempts == nil {
		return nil, context.DeadlineExceeded
	}
	return b.Attempts.Standings(ctx, keys...)
}

func (b *brokenAttempts) AddressSeen(ctx context.Context, account, address string) (time.Time, error) {
	if b.Attempts == nil {
		return time.Time{}, context.DeadlineExceeded
	}
	return b.Attempts.AddressSeen(ctx, account, address)
}

// TestRememberedIsBounded remembers more passwords than there is room for.
func TestRememberedIsBounded(t *testing.T) {
	t.Parallel()
	m, now := newRemembered(), time.Now()
	for i := range 3*maxRemembered + 1 {
		m.add(m.key(credentials{"ops", fmt.Sprint(i)}, opsHash), now)
		if len(m.current)+len(m.last) > 2*maxRemembered {
			t.Fatalf("%d are remembered", len(m.current)+len(m.last))
		}
	}
	if !m.has(m.key(credentials{"ops", fmt.Sprint(3 * maxRemembered)}, opsHash), now) || m.has(m.key(credentials{"ops", "0"}, opsHash), now) {
		t.Error("not the latest are remembered")
	}
}

// TestAssetsOfAPage sends many requests of one browser at once. They share one comparison,
// so that none is refused because too many wait.
func TestAssetsOfAPage(t *testing.T) {
	t.Parallel()
	checker, _ := newChecker(t, store.NewMemoryAttempts())
	realm := realmOf(t, "ops:"+hashOf(t, "secret", 10))
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			if name, refusal := checker.Decide(t.Context(), realm, header("ops", "secret"), client); name != "ops" {
				t.Errorf("refused: %v", refusal)
			}
		})
	}
	group.Wait()
}

// TestClientLeaves checks that a client that leaves does not wait, and that its attempts
// count.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	attempts := &countedAttempts{Attempts: store.NewMemoryAttempts()}
	checker, _ := newChecker(t, attempts)
	realm := realmOf(t, "ops:"+hashOf(t, "secret", 4))
	gone, leave := context.WithCancel(t.Context())
	leave()
	for i := range 10 {
		_, refusal := checker.Decide(gone, realm, header("ops", fmt.Sprint(i)), client)
		if refusal == nil || refusal.AuthResult == "" {
			t.Errorf("refusal %+v", refusal)
		}
	}
	testkit.Eventually(t, "the attempts are counted", func() bool { return attempts.counted.Load() >= 6 })
}

// countedAttempts counts the attempts that were made.
type countedAttempts struct {
	store.Attempts
	counted atomic.Int64
}

func (c *countedAttempts) CountAttempt(ctx context.Context, tally store.Tally, now time.Time) (time.Duration, error) {
	wait, err := c.Attempts.CountAttempt(ctx, tally, now)
	if err == nil && wait == 0 {
		c.counted.Add(1)
	}
	return wait, err
}

// FuzzCredentials compares what is parsed with what net/http parses.
func FuzzCredentials(f *testing.F) {
	for _, value := range []string{"Basic b3BzOnNlY3JldA==", "basic b3BzOg==", "Basic ", "Bearer x", "Basic b3Bz", "Basic  b3BzOnNlY3JldA== ", "Basic b3BzOnNlY3JldB=="} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		sent, ok := parseCredentials(value)
		if !ok {
			return
		}
		r := http.Request{Header: http.Header{"Authorization": {"Basic " + strings.Trim(value[len("Basic "):], " ")}}}
		name, password, theirs := r.BasicAuth()
		if !theirs || name != sent.name || password != sent.password || name == "" || strings.Contains(name, ":") {
			t.Errorf("%q: %+v, net/http reads %q and %q", value, sent, name, password)
		}
	})
}

// BenchmarkDecide decides about a remembered password.
func BenchmarkDecide(b *testing.B) {
	checker, _ := newChecker(b, store.NewMemoryAttempts())
	realm, sent := realmOf(b, "ops:"+hashOf(b, "secret", 4)), header("ops", "secret")
	b.ReportAllocs()
	for b.Loop() {
		if _, refusal := checker.Decide(b.Context(), realm, sent, client); refusal != nil {
			b.Fatal(refusal)
		}
	}
}
