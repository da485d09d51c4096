package forward

import (
	"io"
	"net/http"
	"time"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/clientip"
	"gatehouse/proxy/route"
)

// Facts are what the gateway knows about a request before it is forwarded. They never
// change afterwards.
type Facts struct {
	In       *http.Request // as the client sent it; its body is read by the Transfer
	ID       string        // the X-Request-ID
	Caller   clientip.Caller
	Path     route.Path
	Identity *auth.Identity // the user; nil when the policy asks for none
	Errors   ErrorWriter    // nil in Preview, which answers nothing
}

// ErrorWriter writes the errors with which the gateway answers.
type ErrorWriter interface {
	// WriteError writes a refusal of the request as the answer.
	WriteError(w http.ResponseWriter, r *http.Request, refusal *httperr.Error)
}

func (f *Facts) isHTTP10() bool { return f.In.ProtoMajor == 1 && f.In.ProtoMinor == 0 }

// Transfer is one request while it is forwarded, and its answer. The zero value is ready
// for Forwarder.Forward, which is called once. A Transfer is not safe for concurrent
// use: only the goroutine of Forward uses it.
type Transfer struct {
	Facts
	forwarder *Forwarder // nil in Preview, which sends nothing
	backend   *Backend
	path      string // that the backend gets, without the base
	answer    answer
	body      *clientBody // nil without a body
	replay    *replayBody // a copy of body for sending it again; nil when that is not possible
	attempt   *attempt    // the current attempt; nil before the first
	first     attempt     // saves an allocation: most requests have one attempt
	copy      *mirrored   // a copy whose body is not complete yet; nil without one
	balanced  balanced    // the attempts at servers of a named backend
	refusal   *httperr.Error
	err       error // why an answer that had begun was cut off; see Err
	values    headerValues
}

// newAttempt starts an attempt, makes it the current one and returns it. From now on,
// reading the body pauses the idle timer of this attempt.
func (t *Transfer) newAttempt() *attempt {
	a := &t.first
	if t.attempt != nil {
		a = new(attempt)
	}
	a.t, a.context.attempt, a.began = t, a, time.Now()
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

// refuse records the refusal and writes it to the client, unless an answer has begun.
func (t *Transfer) refuse(refusal *httperr.Error) {
	t.refusal = refusal
	if t.answer.begun || refusal.Status == httperr.StatusClientGone {
		return
	}
	t.Errors.WriteError(&t.answer, t.In, refusal)
}

// getBody is the GetBody of http.Request. The transport calls it when it sends the
// request once more. From now on the transport uses the body again, even if it has
// closed it before.
func (t *Transfer) getBody() (io.ReadCloser, error) {
	body, err := t.replay.newAttempt()
	if err != nil {
		return nil, err
	}
	t.body.mu.Lock()
	defer t.body.mu.Unlock()
	t.body.released = false
	return &transportBody{body, t.body, t.body.attempt}, nil
}

// Err returns the reason why an answer was cut off after it had begun. It returns nil
// when it was not cut off.
func (t *Transfer) Err() error { return t.err }

// IsEndless reports whether the answer is a stream that lasts as long as its client
// wants.
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

// HasUnreadBody reports whether the request has a body that was not read to its end. On
// an HTTP/1.1 connection, the bytes after it must not be read as a request.
func (t *Transfer) HasUnreadBody() bool { return t.body != nil && !t.body.complete() }

// Close releases the resources of the request. It is called when the whole answer is
// written. It reports whether the request had a body. From now on net/http has one
// second to read the rest of it.
func (t *Transfer) Close() (hadBody bool) {
	if t.body != nil {
		t.body.dropCopy()
		t.body.abandon()
		t.backend.metrics.Received(t.body.received.Load())
	} else if t.copy != nil { // refused before the body was read
		t.copy.drop(MirrorIncomplete)
	}
	if t.replay != nil {
		t.replay.release()
	}
	if t.attempt != nil && t.attempt.stopWatch != nil {
		t.attempt.stopWatch()
	}
	if t.attempt != nil && t.attempt.stopServer != nil {
		t.attempt.stopServer()
	}
	return t.body != nil
}

// headerValues is room for the values of headers that have one value each. A request
// has about nine of them, and each would be an allocation.
type headerValues struct {
	room [8]string
	used int
}

// single returns a slice with one header value. Appending to the slice copies it.
func (v *headerValues) single(value string) []string {
	if v.used == len(v.room) {
		return []string{value}
	}
	v.room[v.used] = value
	v.used++
	return v.room[v.used-1 : v.used : v.used]
}
