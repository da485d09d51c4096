package forward

import (
	"io"
	"net/http"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/clientip"
	"gatehouse/proxy/route"
)

// Facts are what is known of a request before it is forwarded. Nobody changes them
// afterwards.
type Facts struct {
	In       *http.Request // as the client sent it; its body is read by the Transfer
	ID       string        // the X-Request-ID
	Caller   clientip.Caller
	Path     route.Path
	Identity *auth.Identity // nil where nobody had to be known
}

func (f *Facts) isHTTP10() bool { return f.In.ProtoMajor == 1 && f.In.ProtoMinor == 0 }

// Transfer takes one request to its backend, and the answer to the client. The zero
// value is ready for Forwarder.Forward, which is called once. Only its goroutine uses
// a Transfer.
type Transfer struct {
	Facts
	forwarder *Forwarder // nil where nothing is sent
	backend   *Backend
	answer    answer
	body      *clientBody // nil without a body
	replay    *replayBody // of body, where the request may be sent again; else nil
	attempt   *attempt    // the current one; nil before there is one
	first     attempt     // hardly any request has another
	refusal   *httperr.Error
	err       error // why an answer that had begun was cut off
	values    headerValues
}

// newAttempt makes the next attempt the current one. The body is read for it from now
// on: its idle timer waits for the client.
func (t *Transfer) newAttempt() *attempt {
	a := &t.first
	if t.attempt != nil {
		a = new(attempt)
	}
	a.t, a.context.attempt = t, a
	t.attempt = a
	if t.body != nil {
		t.body.idleTimer.Store(&a.idleTimer)
	}
	return a
}

// giveUp ends the current attempt, if any.
func (t *Transfer) giveUp(cause error) {
	if t.attempt != nil {
		t.attempt.context.Cancel(cause)
	}
}

// refuse answers for the backend, unless an answer has begun.
func (t *Transfer) refuse(refusal *httperr.Error) {
	t.refusal = refusal
	if t.answer.begun || refusal.Status == httperr.StatusClientGone { // or there is nobody to tell
		return
	}
	t.answer.Header().Set("X-Request-Id", t.ID) // for the body of the refusal
	refusal.WriteTo(&t.answer)
}

// getBody is http.Request.GetBody. The transport wants the body once more, whatever
// it has said of the attempt before.
func (t *Transfer) getBody() (io.ReadCloser, error) {
	body, err := t.replay.newAttempt()
	if err != nil {
		return nil, err
	}
	t.body.mu.Lock()
	t.body.released = false
	t.body.mu.Unlock()
	return &transportBody{body, t.body}, nil
}

// Err returns why an answer that had begun was cut off; nil when it was not.
func (t *Transfer) Err() error { return t.err }

// IsEndless reports whether the answer goes on for as long as its client likes.
func (t *Transfer) IsEndless() bool { return t.attempt != nil && t.attempt.endless }

// Upgraded returns how many bytes were sent to the client on an upgraded connection,
// and whether there is one.
func (t *Transfer) Upgraded() (sent int64, ok bool) {
	if t.attempt == nil {
		return 0, false
	}
	upgraded := t.attempt.upgrade.client.Load()
	if upgraded == nil {
		return 0, false
	}
	return upgraded.Sent(), true
}

// HasUnreadBody reports whether there is a body that was not read to its end. Nothing
// behind it on a connection of HTTP/1.1 may be taken for a request.
func (t *Transfer) HasUnreadBody() bool { return t.body != nil && !t.body.complete() }

// Close releases what the request holds. It is called when the whole answer is
// written. It reports whether there was a body, whose rest net/http reads within a
// second from now on.
func (t *Transfer) Close() (hadBody bool) {
	if t.body != nil {
		t.body.abandon()
	}
	if t.replay != nil {
		t.replay.release()
	}
	if t.attempt != nil && t.attempt.stopWatch != nil {
		t.attempt.stopWatch()
	}
	return t.body != nil
}

// headerValues has room for the values of the headers of a request that have one
// value: about nine, which would be as many allocations.
type headerValues struct {
	room [8]string
	used int
}

// one returns the values of a header that has one value. To append to it copies it.
func (v *headerValues) one(value string) []string {
	if v.used == len(v.room) {
		return []string{value}
	}
	v.room[v.used] = value
	v.used++
	return v.room[v.used-1 : v.used : v.used]
}
