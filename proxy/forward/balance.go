package forward

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"gatehouse/config"
	"gatehouse/internal/descriptors"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/backend"
	"gatehouse/proxy/idletimer"
	"gatehouse/proxy/stream"
	"gatehouse/proxy/upstream"
)

// This file sends a request to one of several servers, and again to another one when that
// fails.

// longestRetryAfter is how long a request waits when a server asks for a pause before the
// next attempt.
const longestRetryAfter = time.Second

// balanced is the state of a request to a backend with several servers. It belongs to the
// goroutine of Forward.
type balanced struct {
	server    *backend.Server   // of the current attempt
	number    int               // of the current attempt, from 1
	tried     []*backend.Server // the servers of the attempts before
	again     bool              // the current attempt failed, and another one follows
	pause     time.Duration     // before that attempt
	preferred *backend.Server   // of the sticky cookie; nil without one
	renews    bool              // the sticky cookie was made with an old key
	told      bool              // the result of the current attempt was reported
}

// Server returns the name of the server that the last attempt was sent to, and the number
// of attempts. It returns "" for a backend without a name.
func (t *Transfer) Server() (name string, attempts int) {
	if t.balanced.server == nil {
		return "", 0
	}
	return t.balanced.server.ID(), t.balanced.number
}

// balance forwards the request to one of the backend's servers. It returns the refusal
// when no server has answered.
func (t *Transfer) balance() *httperr.Error {
	servers, ctx := t.backend.servers, t.In.Context()
	if err := servers.Enter(ctx); err != nil {
		t.refuse(refusalToEnter(err))
		return t.refusal
	}
	defer servers.Leave()
	state := &t.balanced
	for {
		if !t.tryServer(t.choice()) {
			t.refuse(refuseNoServer)
			break
		}
		if !state.again {
			break
		}
		if t.wait(ctx, state.pause); ctx.Err() != nil {
			t.refuse(refuseClientGone)
			break
		}
		state.tried, state.again, state.pause = append(state.tried, state.server), false, 0
	}
	if state.number > 1 {
		servers.Retried(retryResult(t.refusal))
	}
	return t.refusal
}

func retryResult(refusal *httperr.Error) backend.RetryResult {
	if refusal != nil {
		return backend.RetryFailed
	}
	return backend.RetryAnswered
}

// refusalToEnter returns the refusal of a request that got no place in the queue.
func refusalToEnter(err error) *httperr.Error {
	if errors.Is(err, backend.ErrFull) {
		return refuseFull
	}
	return refuseClientGone.Because(err)
}

// choice returns what of the request matters for the choice of a server.
func (t *Transfer) choice() backend.Choice {
	if t.balanced.number == 0 {
		t.balanced.preferred = t.preferred()
	}
	return backend.Choice{Key: t.Key(t.backend.servers.Config().Hash), Preferred: t.balanced.preferred, Tried: t.balanced.tried}
}

// tryServer makes one attempt at a server of the backend. It reports false when there is
// no server.
func (t *Transfer) tryServer(c backend.Choice) bool {
	state := &t.balanced
	servers := t.backend.servers
	server := servers.Pick(c)
	if server == nil {
		servers.AwaitServers(t.In.Context(), t.backend.config.ConnectTimeout)
		if server = servers.Pick(c); server == nil {
			return false
		}
	}
	state.number++
	state.server, state.told = server, false
	server.Begin()
	defer server.End()
	t.try(&server.Address, t.timeLeft())
	return true
}

// timeLeft returns the time until the response header of the next attempt must be there:
// per_try, within the timeout of the route. 0 means no limit.
func (t *Transfer) timeLeft() time.Duration {
	left := t.backend.config.Timeout
	if left > 0 && t.balanced.number > 1 {
		left = max(left-time.Since(t.first.began), time.Millisecond)
	}
	if retry := t.backend.servers.Config().Retry; retry != nil && retry.PerTry > 0 && (left == 0 || retry.PerTry < left) {
		return retry.PerTry
	}
	return left
}

// wait waits before the next attempt, or until the client leaves.
func (t *Transfer) wait(ctx context.Context, pause time.Duration) {
	if pause == 0 {
		return
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// errTryAgain is the error of an answer in whose place the request is sent again.
var errTryAgain = errors.New("the request is sent to another server")

// answered is called when a server has sent its response header. It returns errTryAgain
// when the request is sent again instead.
func (t *Transfer) answered(res *http.Response, took time.Duration) error {
	state, servers := &t.balanced, t.backend.servers
	result := backend.ResultAnswered
	if isRetryStatus(res.StatusCode) {
		result = backend.ResultStatus
	}
	state.told = true
	servers.Report(state.server, result, took)
	if res.Close && res.ProtoAtLeast(1, 1) {
		state.server.Closes()
	} else {
		state.server.Keeps()
	}
	if result == backend.ResultAnswered {
		return nil
	}
	pause, ok := retryAfter(res)
	if !ok || !t.mayTryAgain(config.RetryCause(strconv.Itoa(res.StatusCode)), pause) {
		return nil
	}
	state.again, state.pause = true, pause
	return errTryAgain
}

func isRetryStatus(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// retryAfter returns the pause that an answer asks for (RFC 9110 section 10.2.3). It
// reports false for one that is too long to wait for.
func retryAfter(res *http.Response) (pause time.Duration, ok bool) {
	values := res.Header["Retry-After"]
	if len(values) == 0 {
		return 0, true
	}
	if seconds, err := strconv.ParseUint(values[0], 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		pause = time.Duration(min(seconds, 3600)) * time.Second // with ErrRange, seconds is the largest number
	} else if at, err := http.ParseTime(values[0]); err == nil {
		pause = max(time.Until(at), 0)
	}
	return pause, pause <= longestRetryAfter
}

// failed is called when an attempt got no answer. It reports whether another one follows.
func (t *Transfer) failed(ctx context.Context, err error) bool {
	state, servers := &t.balanced, t.backend.servers
	if state.again { // see answered
		return true
	}
	result := t.failure(ctx, err)
	if !state.told {
		servers.Report(state.server, result, time.Since(t.attempt.began))
	}
	cause, ok := retryCauses[result]
	if !ok || !t.mayTryAgain(cause, 0) {
		return false
	}
	state.again = true
	return true
}

// failure returns the result of an attempt that got no answer.
func (t *Transfer) failure(ctx context.Context, err error) backend.Result {
	a, cause := t.attempt, context.Cause(ctx)
	timedOut := errors.Is(cause, idletimer.ErrTimeout)
	switch {
	case t.body != nil && t.body.refusal.Load() != nil:
		return backend.ResultCanceled // the client's body was the reason
	case cause != nil && !timedOut && !errors.Is(cause, errMisbehaved):
		return backend.ResultCanceled
	case descriptors.IsShortage(err):
		return backend.ResultCanceled // not the server's fault
	case errors.Is(err, upstream.ErrDial), errors.Is(err, upstream.ErrHandshake): // nothing was sent
		return backend.ResultConnect
	case timedOut && !a.backendSpoke:
		return backend.ResultTimeout
	}
	return backend.ResultReset
}

// retryCauses are the causes of `retry.when` that failures count as.
var retryCauses = map[backend.Result]config.RetryCause{
	backend.ResultConnect: config.RetryConnect,
	backend.ResultReset:   config.RetryReset,
	backend.ResultTimeout: config.RetryTimeout,
}

// mayTryAgain reports whether the request may be sent again after a pause: the policy of
// the backend allows it, nothing of an answer was given to the client, and no read of the
// request's body has begun. The current attempt has lost the body then. It uses up a part of the budget, except after a
// failed connection, where no server has had any work.
func (t *Transfer) mayTryAgain(cause config.RetryCause, pause time.Duration) bool {
	retry, state := t.backend.servers.Config().Retry, &t.balanced
	switch {
	case retry == nil || retry.Off || state.number >= int(retry.Attempts):
		return false
	case t.answer.begun || t.answer.interim > 0 || t.attempt.answered.Load():
		return false
	case t.body != nil && !t.body.isWhole():
		return false
	case !slices.Contains(retry.When, cause):
		return false
	case cause != config.RetryConnect && !slices.Contains(retry.Methods, t.In.Method):
		return false
	case t.In.Context().Err() != nil:
		return false
	}
	if limit := t.backend.config.Timeout; limit > 0 && time.Since(t.first.began)+pause >= limit {
		return false
	}
	if cause != config.RetryConnect && !t.backend.servers.AllowRetry() {
		return false
	}
	return t.body == nil || t.body.reuse()
}

// errServerLeft is the cause when a stream ends because its server has left the backend.
var errServerLeft = errors.New("the server was taken out of its backend")

// watchServer ends the stream a while after its server has left the backend.
func (a *attempt) watchServer() {
	if server := a.t.balanced.server; server != nil {
		a.stopServer = server.Watch(func() {
			if upgraded := a.upgrade.client.Load(); upgraded != nil {
				upgraded.EndWith(stream.GoingAway)
			}
			a.context.Cancel(errServerLeft)
		})
	}
}
