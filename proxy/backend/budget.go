package backend

import (
	"sync"
	"time"
)

const (
	// budgetSeconds is the time over which retries are compared with requests.
	budgetSeconds = 10
	// freeRetries are allowed in each second, whatever the number of requests.
	freeRetries = 3
)

// budget bounds the retries of a backend by its requests in the last seconds. So retries
// cannot multiply the load of a backend that is overloaded. Only retries use it; the
// requests are counted by the servers.
type budget struct {
	mu      sync.Mutex
	begun   bool
	second  int64                // of the newest slot
	retries [budgetSeconds]int64 // by second
	totals  [budgetSeconds]int64 // attempts of the backend at the beginning of each second
}

// allow reports whether one more retry is allowed, and counts it. total is the number of
// attempts so far, retries included.
func (u *budget) allow(now time.Time, percent float64, total int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.advance(now.Unix(), total)
	oldest := u.totals[(u.second+1)%budgetSeconds]
	var retries int64
	for _, n := range u.retries {
		retries += n
	}
	requests := total - oldest - retries
	allowed := int64(float64(max(requests, 0)) * percent / 100)
	slot := u.second % budgetSeconds
	if u.retries[slot] >= freeRetries && retries >= allowed {
		return false
	}
	u.retries[slot]++
	return true
}

// observe is called about once a second, so that the budget knows how many requests there
// were before the first retry.
func (u *budget) observe(now time.Time, total int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.advance(now.Unix(), total)
}

// advance moves to a new second. The caller holds mu.
func (u *budget) advance(second, total int64) {
	if !u.begun {
		u.begun, u.second = true, second
		for i := range u.totals {
			u.totals[i] = total
		}
		return
	}
	for steps := 0; u.second < second && steps < budgetSeconds; steps++ {
		u.second++
		u.retries[u.second%budgetSeconds], u.totals[u.second%budgetSeconds] = 0, total
	}
	u.second = max(u.second, second)
}

// RetryResult is how a retry ended, for metrics.
type RetryResult int

// The results of retries.
const (
	RetryAnswered  RetryResult = iota // another attempt has got an answer
	RetryFailed                       // all attempts have failed
	RetryExhausted                    // the budget did not allow one
	retryResultCount
)

// RetryResults are all results of retries.
func RetryResults() []RetryResult { return []RetryResult{RetryAnswered, RetryFailed, RetryExhausted} }

// String returns the name of the result in metrics.
func (r RetryResult) String() string {
	return [retryResultCount]string{"answered", "failed", "exhausted"}[r]
}

// AllowRetry reports whether the budget of the backend allows one more retry, and counts
// it.
func (b *Backend) AllowRetry() bool {
	if b.state.budget.allow(time.Now(), float64(b.config.Retry.Budget), b.state.attempts()) {
		return true
	}
	b.state.retried[RetryExhausted].Add(1)
	return false
}

// Retried is called when a request that was sent again has ended.
func (b *Backend) Retried(r RetryResult) { b.state.retried[r].Add(1) }

// attempts returns how many attempts at all servers have ended.
func (s *state) attempts() (total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	total = s.departed
	for _, server := range s.servers {
		total += server.attempts()
	}
	return total
}
