package account

// This file tests a login from an attacker's view: what guessing reveals, and
// that it cannot lock out others.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/auth/keys/keystest"
	"gatehouse/internal/httperr"
	"gatehouse/store"
)

const (
	home     = "203.0.113.7"
	stranger = "198.51.100.1"
)

// loginServer is the users handler with a clock that the test sets, and a count
// of the comparisons.
type loginServer struct {
	*Handler
	time        time.Time
	comparisons atomic.Int64
	logins      *loginCounts
}

func newLoginServer(t testing.TB, users store.Store) *loginServer {
	t.Helper()
	passwords, _ := countedPasswords(t)
	d := &loginServer{time: authtest.Noon, logins: &loginCounts{}}
	passwords.compare = func(hash, password []byte) error {
		d.comparisons.Add(1)
		return passwords.hasher.compare(hash, password)
	}
	ring := keystest.NewRing(t, authtest.Secret)
	d.Handler = New(Options{
		Gate:   auth.NewGate(auth.NewVerifier(ring, nil, authtest.AtNoon), auth.StoredUsers{Store: users}),
		Signer: auth.NewSigner(ring, time.Hour, authtest.AtNoon), Store: users, Passwords: passwords,
		Metrics: d.logins, Now: func() time.Time { return d.time },
	})
	return d
}

// try tries to log in from an address; "" means a listener without addresses.
func (d *loginServer) try(t testing.TB, address, email, password string) *httptest.ResponseRecorder {
	t.Helper()
	body := strings.NewReader(`{"email":"` + email + `","password":"` + password + `"}`)
	ctx := t.Context()
	if address != "" {
		ctx = auth.WithClient(ctx, netip.MustParseAddr(address))
	}
	answer := httptest.NewRecorder()
	d.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodPost, "/login", body))
	return answer
}

// expect requires a status, and for a 429 the seconds to wait.
func (d *loginServer) expect(t testing.TB, address, email, password string, status int, wait ...int) {
	t.Helper()
	before := d.comparisons.Load()
	answer := d.try(t, address, email, password)
	if answer.Code != status {
		t.Fatalf("%s as %s with %q: %d %s, want %d", address, email, password, answer.Code, answer.Body, status)
	}
	ran := d.comparisons.Load() - before
	if status != http.StatusTooManyRequests {
		if ran != 1 {
			t.Errorf("bcrypt ran %d times", ran)
		}
		return
	}
	if ran != 0 {
		t.Errorf("throttled, but bcrypt ran %d times", ran)
	}
	if got, want := answer.Header().Get("Retry-After"), strconv.Itoa(wait[0]); got != want {
		t.Errorf("Retry-After: %s, want %s", got, want)
	}
	if body := `{"detail":"Too many attempts. Try again later."}`; answer.Body.String() != body {
		t.Errorf("body %s, want %s", answer.Body, body)
	}
	if last := d.logins.results[len(d.logins.results)-1]; last != LoginThrottled {
		t.Errorf("counted as %s", last)
	}
}

func (d *loginServer) advance(seconds int) { d.time = d.time.Add(time.Duration(seconds) * time.Second) }

func addAnn(t testing.TB, users store.Store) store.User {
	t.Helper()
	return authtest.AddUser(t, users, store.User{Email: "ann@example.com", Active: true, HashedPassword: hashOfCorrectHorse})
}

func TestGuessingIsSlowed(t *testing.T) {
	authtest.EachStore(t, func(t *testing.T, users store.Store) {
		d := newLoginServer(t, users)
		addAnn(t, users)
		for _, email := range []string{"ann@example.com", "nobody@example.com"} {
			for range pairFree {
				d.expect(t, stranger, email, "wrong horse", 401)
			}
			for _, wait := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 512, 900, 900} {
				d.expect(t, stranger, email, "wrong horse", 401)
				d.expect(t, stranger, email, "wrong horse", 429, wait)
				d.expect(t, stranger, strings.ToUpper(email), "correct horse", 429, wait) // though it is right
				d.advance(wait - 1)
				d.expect(t, stranger, email, "wrong horse", 429, 1)
				d.advance(1)
			}
			d.advance(86_400)
		}
		d.expect(t, stranger, "ann@example.com", "correct horse", 200)
	})
}

func TestRightPasswordStartsAnew(t *testing.T) {
	authtest.EachStore(t, func(t *testing.T, users store.Store) {
		d := newLoginServer(t, users)
		addAnn(t, users)
		for range 3 {
			for range pairFree {
				d.expect(t, home, "ann@example.com", "wrong horse", 401)
			}
			d.expect(t, home, "ann@example.com", "correct horse", 200)
		}
	})
}

// Hundreds of addresses guess at Ann's password. Each gets one attempt, and the
// next a quarter of an hour later. Ann can still log in, from home and from a
// hotel.
func TestManyAddressesGuessAtOneAccount(t *testing.T) {
	authtest.EachStore(t, func(t *testing.T, users store.Store) {
		d := newLoginServer(t, users)
		addAnn(t, users)
		d.expect(t, home, "ann@example.com", "correct horse", 200)
		bot := func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }
		for _, email := range []string{"ann@example.com", "nobody@example.com"} {
			for i := range accountLimit / pairFree {
				for range pairFree {
					d.expect(t, bot(i), email, "wrong horse", 401)
				}
			}
			for i := range 30 {
				d.expect(t, bot(100+i), email, "wrong horse", 401)
				if i > 0 { // the first was the one that was too many
					d.expect(t, bot(100+i), email, "wrong horse", 429, 900)
				}
			}
			d.expect(t, bot(0), email, "wrong horse", 401)
			d.expect(t, bot(0), email, "wrong horse", 429, 900)
		}
		d.expect(t, home, "ann@example.com", "wrong horse", 401)
		d.expect(t, home, "ann@example.com", "wrong horse", 401)
		d.expect(t, home, "ann@example.com", "correct horse", 200)
		d.expect(t, "203.0.113.99", "ann@example.com", "correct horse", 200)
		// When the guessing ends, the waits end, too.
		d.advance(6 * 3_600)
		for range pairFree {
			d.expect(t, bot(200), "ann@example.com", "wrong horse", 401)
		}
	})
}

// One address guesses at many accounts and must wait. Accounts that are known
// there, and users on other addresses, need not.
func TestOneAddressGuessesAtManyAccounts(t *testing.T) {
	authtest.EachStore(t, func(t *testing.T, users store.Store) {
		d := newLoginServer(t, users)
		addAnn(t, users)
		d.expect(t, stranger, "ann@example.com", "correct horse", 200)
		for i := range addressFree {
			d.expect(t, stranger, fmt.Sprintf("user%d@example.com", i), "wrong horse", 401)
		}
		for i, wait := range []int{1, 2, 4, 8} {
			d.expect(t, stranger, fmt.Sprintf("more%d@example.com", i), "wrong horse", 401)
			d.expect(t, stranger, "other@example.com", "wrong horse", 429, wait)
			d.expect(t, stranger, "ann@example.com", "wrong horse", 401)
			d.expect(t, stranger, "ann@example.com", "correct horse", 200)
			d.expect(t, home, "other@example.com", "wrong horse", 401)
			d.advance(wait)
		}
	})
}

// A right password only clears its own failures: an attacker cannot clear an
// address with an own account.
func TestOwnAccountDoesNotCleanAnAddress(t *testing.T) {
	users := authtest.OpenSQLite(t)
	d := newLoginServer(t, users)
	addAnn(t, users)
	for i := range addressFree {
		d.expect(t, stranger, fmt.Sprintf("user%d@example.com", i), "wrong horse", 401)
	}
	d.expect(t, stranger, "ann@example.com", "correct horse", 200)
	d.expect(t, stranger, "user@example.com", "wrong horse", 401)
	d.expect(t, stranger, "user@example.com", "wrong horse", 429, 1)
}

func TestNetworkOf(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"fe80::1%eth0", "fe80::1%eth1", true},
	} {
		a, b := networkOf(netip.MustParseAddr(test.a)), networkOf(netip.MustParseAddr(test.b))
		if same := a == b; same != test.same || a == "" {
			t.Errorf("%s and %s are of %s and %s", test.a, test.b, a, b)
		}
	}
	if got := networkOf(netip.Addr{}); got != "" {
		t.Errorf("no address is of %q", got)
	}
}

// Attempts at an existing, an unknown and a disabled account look the same,
// from the first to the last.
func TestGuessingTellsNothing(t *testing.T) {
	users := authtest.OpenSQLite(t)
	addAnn(t, users)
	authtest.AddUser(t, users, store.User{Email: "old@example.com", HashedPassword: hashOfCorrectHorse})
	var first []*httptest.ResponseRecorder
	for i, email := range []string{"ann@example.com", "old@example.com", "nobody@example.com"} {
		d := newLoginServer(t, users)
		var answers []*httptest.ResponseRecorder
		for range 20 {
			answers = append(answers, d.try(t, fmt.Sprintf("192.0.2.%d", i), email, "wrong horse"))
			d.advance(3)
		}
		if first == nil {
			first = answers
		}
		for i, answer := range answers {
			if answer.Code != first[i].Code || answer.Body.String() != first[i].Body.String() ||
				!maps.EqualFunc(answer.Header(), first[i].Header(), slices.Equal) {
				t.Errorf("%s, try %d: %d %v %s, want %d %v %s", email, i+1, answer.Code, answer.Header(), answer.Body,
					first[i].Code, first[i].Header(), first[i].Body)
			}
		}
	}
}

// Simultaneous guesses through two gateways get no more attempts.
func TestGuessingAllAtOnce(t *testing.T) {
	authtest.EachStore(t, func(t *testing.T, users store.Store) {
		gateways := []*loginServer{newLoginServer(t, users), newLoginServer(t, users)}
		addAnn(t, users)
		var group sync.WaitGroup
		for i := range 40 {
			d := gateways[i%2]
			d.Metrics = discardMetrics{}
			group.Go(func() {
				answer := d.try(t, stranger, "ann@example.com", "wrong horse")
				if !slices.Contains([]int{401, 429, 503}, answer.Code) {
					t.Errorf("%d %s", answer.Code, answer.Body)
				}
			})
		}
		group.Wait()
		if ran := gateways[0].comparisons.Load() + gateways[1].comparisons.Load(); ran > pairFree+1 {
			t.Errorf("%d passwords were compared, want at most %d", ran, pairFree+1)
		}
	})
}

// With too many simultaneous attempts, those without a place are refused at
// once, and the store is not asked.
func TestLoginOverloaded(t *testing.T) {
	users := authtest.OpenSQLite(t)
	d := newLoginServer(t, users)
	addAnn(t, users)
	var slots []*hashSlot
	for {
		slot, err := d.Passwords.limiter.enter()
		if err != nil {
			break
		}
		slots = append(slots, slot)
	}
	d.throttle.attempts = brokenAttempts{Store: users, err: errors.New("asked")}
	answer := d.try(t, home, "ann@example.com", "correct horse")
	if answer.Code != 503 || answer.Header().Get("Retry-After") != "2" ||
		answer.Body.String() != `{"detail":"Too many logins at the same time. Try again shortly."}` {
		t.Errorf("%d %v %s", answer.Code, answer.Header(), answer.Body)
	}
	if want := []string{LoginOverloaded}; !slices.Equal(d.logins.results, want) {
		t.Errorf("counted as %v", d.logins.results)
	}
	for _, slot := range slots {
		slot.release()
	}
	d.throttle.attempts = users
	d.expect(t, home, "ann@example.com", "correct horse", 200)
	wantNoneAdmitted(t, d.Passwords.limiter)
}

// brokenAttempts is a store that cannot count attempts.
type brokenAttempts struct {
	store.Store
	readable bool
	err      error
}

func (b brokenAttempts) Standings(ctx context.Context, keys ...string) ([]store.Standing, error) {
	if b.readable {
		return b.Store.Standings(ctx, keys...)
	}
	return nil, b.err
}

func (b brokenAttempts) CountAttempt(context.Context, store.Tally, time.Time) (time.Duration, error) {
	return 0, b.err
}

// An attempt that cannot be counted is not made.
func TestGuessingWithoutTallies(t *testing.T) {
	users := authtest.OpenSQLite(t)
	addAnn(t, users)
	for _, readable := range []bool{false, true} {
		d := newLoginServer(t, users)
		d.throttle.attempts = brokenAttempts{users, readable, errors.New("read-only transaction")}
		answer := d.try(t, home, "ann@example.com", "correct horse")
		if answer.Code != 503 || !strings.Contains(answer.Body.String(), auth.StoreUnavailable.Detail) {
			t.Errorf("%d %s", answer.Code, answer.Body)
		}
		if ran := d.comparisons.Load(); ran != 0 {
			t.Errorf("bcrypt ran %d times", ran)
		}
		if want := []string{LoginUnavailable}; !slices.Equal(d.logins.results, want) {
			t.Errorf("counted as %v", d.logins.results)
		}
		wantNoneAdmitted(t, d.Passwords.limiter)
	}
}

// Without addresses there are only accounts.
func TestGuessingWithoutAddresses(t *testing.T) {
	users := authtest.OpenSQLite(t)
	d := newLoginServer(t, users)
	addAnn(t, users)
	for i := range 3 * addressFree {
		d.expect(t, "", fmt.Sprintf("user%d@example.com", i), "wrong horse", 401)
	}
	for range pairFree + 1 {
		d.expect(t, "", "ann@example.com", "wrong horse", 401)
	}
	d.expect(t, "", "ann@example.com", "wrong horse", 429, 1)
}

func TestOldPasswordIsSlowed(t *testing.T) {
	authtest.EachStore(t, func(t *testing.T, users store.Store) {
		d := newLoginServer(t, users)
		ann := addAnn(t, users)
		bob := authtest.AddUser(t, users, store.User{Email: "bob@example.com", Active: true, HashedPassword: hashOfCorrectHorse})
		change := func(who store.User, old string) *httperr.Error {
			sent := body{content: []byte(`{"old_password":"` + old + `","new_password":"battery staple"}`), isJSON: true}
			_, refusal := d.changePassword(t.Context(), auth.IdentityOf(who), sent)
			return refusal
		}
		for range pairFree + 1 {
			if refusal := change(ann, "wrong horse"); refusal != refusePassword {
				t.Fatalf("refused with %v", refusal)
			}
		}
		before := d.comparisons.Load()
		if refusal := change(ann, "correct horse"); refusal == nil || refusal.Status != 429 || refusal.RetryAfter != time.Second {
			t.Errorf("refused with %+v", refusal)
		}
		if d.comparisons.Load() != before {
			t.Error("throttled, but bcrypt ran")
		}
		if refusal := change(bob, "correct horse"); refusal != nil {
			t.Errorf("somebody else: %v", refusal)
		}
		d.expect(t, home, "ann@example.com", "correct horse", 200) // a login is another matter
		d.advance(1)
		if refusal := change(ann, "correct horse"); refusal != nil {
			t.Errorf("a second later: %v", refusal)
		}
		wantNoneAdmitted(t, d.Passwords.limiter)
	})
}

// prunedStore counts its prunings.
type prunedStore struct {
	store.Store
	pruned int
}

func (p *prunedStore) PruneAttempts(ctx context.Context, now, seenSince time.Time, most int) error {
	p.pruned++
	return p.Store.PruneAttempts(ctx, now, seenSince, most)
}

// Attempts at hundreds of e-mails from hundreds of addresses leave no rows for
// long.
func TestGuessesArePruned(t *testing.T) {
	users := &prunedStore{Store: authtest.OpenSQLite(t)}
	d := newLoginServer(t, users)
	keys := map[string]bool{}
	for i := range 200 {
		address, email := fmt.Sprintf("10.0.0.%d", i), fmt.Sprintf("user%d@example.com", i)
		d.expect(t, address, email, "wrong horse", 401)
		d.advance(3)
		g := d.throttle.loginAttempt(email, netip.MustParseAddr(address))
		for _, key := range []string{g.pair, g.address, g.account} {
			if len(key) != 22 || keys[key] || strings.Contains(key, "example") {
				t.Errorf("key %q is too long, taken, or tells", key)
			}
			keys[key] = true
		}
	}
	if users.pruned < 8 || users.pruned > 11 {
		t.Errorf("pruned %d times in 600 seconds, want once a minute", users.pruned)
	}
	d.advance(3_600)
	d.expect(t, home, "last@example.com", "wrong horse", 401)
	standings, err := users.Standings(t.Context(), slices.Collect(maps.Keys(keys))...)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(standings, func(s store.Standing) bool { return s.Clear.After(time.Unix(0, 0)) }) {
		t.Error("an hour later there are rows left")
	}
}

// A clock that was a year ahead locks out nobody for longer than the right
// clock could have (issue 10).
func TestClockAhead(t *testing.T) {
	authtest.EachStore(t, func(t *testing.T, users store.Store) {
		d := newLoginServer(t, users)
		addAnn(t, users)
		d.time = authtest.Noon.Add(365 * 24 * time.Hour)
		d.expect(t, home, "ann@example.com", "correct horse", 200)
		for range pairFree + 1 {
			d.expect(t, home, "ann@example.com", "wrong horse", 401)
			d.expect(t, stranger, "ann@example.com", "wrong horse", 401)
		}
		d.time = authtest.Noon
		d.expect(t, home, "ann@example.com", "correct horse", 429, 900)
		d.advance(900)
		d.expect(t, home, "ann@example.com", "correct horse", 200)
		d.expect(t, stranger, "ann@example.com", "correct horse", 200)
		// The address became known a year in the future, and stays known no
		// longer than usual.
		seen, err := users.AddressSeen(t.Context(), tallyKey("account", "ann@example.com"), tallyKey("address", home))
		if err != nil || seen.After(d.time) {
			t.Errorf("the address was seen at %s, %v", seen, err)
		}
		// Rows are pruned again, although the next pruning was due in a year.
		for i := range pairFree {
			d.expect(t, stranger, fmt.Sprintf("nobody%d@example.com", i), "wrong horse", 401)
		}
		d.advance(int(longestClear.Seconds()))
		d.expect(t, home, "ann@example.com", "correct horse", 200)
		standings, err := users.Standings(t.Context(), tallyKey("pair", "nobody0@example.com", stranger))
		if err != nil || !standings[0].Clear.Equal(time.UnixMicro(0)) && standings[0].Clear.Year() > 1 {
			t.Errorf("a row from before stands at %+v, %v", standings, err)
		}
	})
}
