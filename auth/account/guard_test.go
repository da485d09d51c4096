package account

import (
	"log/slog"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"gatehouse/store"
)

// TestGuard compares passwords that are not those of users. An unknown account costs a
// comparison like any other, and a throttled one costs none.
func TestGuard(t *testing.T) {
	t.Parallel()
	passwords, comparisons := countedPasswords(t)
	guard := NewGuard(passwords, store.NewMemoryAttempts(), time.Now, slog.New(slog.DiscardHandler))
	hash, err := passwords.Hash(t.Context(), "a secret")
	if err != nil {
		t.Fatal(err)
	}
	compare := func(account, hash, password string) (right bool, status int) {
		t.Helper()
		right, refusal := guard.Compare(t.Context(), Comparison{
			Account: account, Client: netip.MustParseAddr("192.0.2.1"), Hash: hash, Password: password, Cost: 5,
		})
		if refusal != nil {
			status = refusal.Status
		}
		return right, status
	}
	if right, status := compare("ops", hash, "a secret"); !right || status != 0 {
		t.Errorf("the right password: %v, %d", right, status)
	}
	for account, hash := range map[string]string{"ops": hash, "nobody": ""} {
		before := *comparisons
		for i := range pairFree + 3 {
			right, status := compare(account, hash, "another")
			want := 0
			if i > pairFree {
				want = http.StatusTooManyRequests
			}
			if right || status != want {
				t.Errorf("%s, guess %d: %v, %d", account, i+1, right, status)
			}
		}
		if got := *comparisons - before; got != pairFree+1 {
			t.Errorf("%s: %d comparisons, want %d", account, got, pairFree+1)
		}
	}
}

// TestWorkOfAFile checks that a comparison takes the work of the highest cost of a file,
// whatever the hash.
func TestWorkOfAFile(t *testing.T) {
	t.Parallel()
	passwords, err := NewPasswords(4, nil)
	if err != nil {
		t.Fatal(err)
	}
	cheap, err := passwords.Hash(t.Context(), "a secret")
	if err != nil {
		t.Fatal(err)
	}
	const cost = 9
	shortest := func(hash string, atLeast int) time.Duration {
		best := time.Hour
		for range 5 {
			began := time.Now()
			passwords.compareAtLeast(atLeast, hash, "another")
			best = min(best, time.Since(began))
		}
		return best
	}
	// 2^9 rounds take 32 times as long as 2^4; a busy machine blurs it.
	for name, hash := range map[string]string{"a cheap hash": cheap, "an unknown name": ""} {
		if plain, padded := shortest(hash, 4), shortest(hash, cost); padded < 2*plain {
			t.Errorf("%s: %v, and %v at cost %d", name, plain, padded, cost)
		}
	}
}
