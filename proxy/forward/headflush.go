package forward

import (
	"net/http"

	"gatehouse/proxy/http1/transport"
	"gatehouse/proxy/idletimer"
)

// This file sends the head of an answer when its body is not there yet. The head
// of an answer of known length is written together with the first bytes of its
// body, which spares a system call; when they are long in coming, the client
// would wait for the head, too (issue 10).

var (
	_ transport.BodyWaiter  = (*attempt)(nil)
	_ transport.Fields      = (*attempt)(nil)
	_ idletimer.HeadFlusher = (*attempt)(nil)
)

// BodyAwaited implements transport.BodyWaiter.
func (a *attempt) BodyAwaited() {
	if a.t.answer.begun {
		_ = http.NewResponseController(&a.t.answer).Flush()
	}
}

// readFirst reads the first bytes of a body. A transport that does not say whether
// they are there is given a moment: the time until the request's timer fires.
func (b *backendBody) readFirst(p []byte) (int, error) {
	_, notifies := b.ReadCloser.(transport.NotifyingBody)
	if notifies || b.res.ContentLength <= 0 || b.a.t.In.Method == http.MethodHead {
		return b.ReadCloser.Read(p)
	}
	b.a.idleTimer.FlushHeadSoon()
	defer b.a.bodyStarted()
	return b.ReadCloser.Read(p)
}

// bodyStarted returns when no head is being sent, and none will be any more.
func (a *attempt) bodyStarted() {
	a.headMu.Lock()
	defer a.headMu.Unlock()
	a.idleTimer.BodyStarted()
}

// FlushHead implements idletimer.HeadFlusher: it sends the head, if the first bytes are still not there.
func (a *attempt) FlushHead() {
	a.headMu.Lock()
	defer a.headMu.Unlock()
	if a.idleTimer.HeadPending() {
		a.BodyAwaited()
	}
}
