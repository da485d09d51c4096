package forward

import (
	"net/http"

	"gatehouse/proxy/http1/transport"
	"gatehouse/proxy/idletimer"
)

// This file sends the head of an answer before its body, when the body comes late. The
// head of an answer of known length is normally written together with the first bytes
// of the body, which saves a system call. Without this file, the client would wait
// for the head as long as for the body (issue 10).

var (
	_ transport.BodyWaiter  = (*attempt)(nil)
	_ transport.Fields      = (*attempt)(nil)
	_ idletimer.HeadFlusher = (*attempt)(nil)
)

// BodyAwaited implements transport.BodyWaiter. It sends the head when the answer has
// begun.
func (a *attempt) BodyAwaited() {
	if a.t.answer.begun {
		_ = http.NewResponseController(&a.t.answer).Flush()
	}
}

// readFirst reads the first bytes of a body. Some transports do not report that the
// body comes late. Then the head is sent when the request's timer fires.
func (b *backendBody) readFirst(p []byte) (int, error) {
	_, notifies := b.ReadCloser.(transport.NotifyingBody)
	if notifies || b.res.ContentLength <= 0 || b.a.t.In.Method == http.MethodHead {
		return b.ReadCloser.Read(p)
	}
	b.a.idleTimer.FlushHeadSoon()
	defer b.a.bodyStarted()
	return b.ReadCloser.Read(p)
}

// bodyStarted stops FlushHead. When it returns, FlushHead is not sending the head and
// will not send it later.
func (a *attempt) bodyStarted() {
	a.headMu.Lock()
	defer a.headMu.Unlock()
	a.idleTimer.BodyStarted()
}

// FlushHead implements idletimer.HeadFlusher. It sends the head if the first bytes of
// the body have not come yet.
func (a *attempt) FlushHead() {
	a.headMu.Lock()
	defer a.headMu.Unlock()
	if a.idleTimer.HeadPending() {
		a.BodyAwaited()
	}
}
