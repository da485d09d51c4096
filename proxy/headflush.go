package proxy

import (
	"net/http"

	"gatehouse/proxy/http1/transport"
)

// This file sends the head of an answer when its body is not there yet. The head
// of an answer of known length is written together with the first bytes of its
// body, which spares a system call; when they are long in coming, the client
// would wait for the head, too (issue 10).

var (
	_ transport.BodyWaiter = (*attempt)(nil)
	_ transport.Fields     = (*attempt)(nil)
	_ headFlusher          = (*attempt)(nil)
)

// BodyAwaited implements transport.BodyWaiter.
func (a *attempt) BodyAwaited() {
	if a.x.status != 0 {
		_ = http.NewResponseController(a.x.ResponseWriter).Flush()
	}
}

// readFirst reads the first bytes of a body. A transport that does not say whether
// they are there is given a moment: the time until the request's timer fires.
func (b *backendBody) readFirst(p []byte) (int, error) {
	_, notifies := b.ReadCloser.(transport.NotifyingBody)
	if notifies || b.res.ContentLength <= 0 || b.a.x.method == http.MethodHead {
		return b.ReadCloser.Read(p)
	}
	b.a.idleTimer.flushHeadSoon()
	defer b.a.bodyStarted()
	return b.ReadCloser.Read(p)
}

// bodyStarted returns when no head is being sent, and none will be any more.
func (a *attempt) bodyStarted() {
	a.headMu.Lock()
	defer a.headMu.Unlock()
	a.idleTimer.headPending.Store(false)
}

// flushHead implements headFlusher: it sends the head, if the first bytes are still not there.
func (a *attempt) flushHead() {
	a.headMu.Lock()
	defer a.headMu.Unlock()
	if a.idleTimer.headPending.Load() {
		a.BodyAwaited()
	}
}
