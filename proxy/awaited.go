package proxy

import (
	"net/http"
	"sync"
	"time"

	"gatehouse/proxy/lean"
)

// This file sends the head of an answer when its body is not there yet. The head
// of an answer of known length is written together with the first bytes of its
// body, which spares a system call; when they are long in coming, the client
// would wait for the head, too (issue 10).

var _ lean.Waiter = (*exchange)(nil)

// BodyAwaited implements lean.Waiter.
func (x *exchange) BodyAwaited() {
	if x.status != 0 {
		_ = http.NewResponseController(x.ResponseWriter).Flush()
	}
}

// firstBytes is how long the first bytes of a body may take before the head is
// sent without them, where the transport does not say whether they are there.
const firstBytes = 2 * time.Millisecond

// readFirst reads the first bytes of a body.
func (b *backendBody) readFirst(p []byte) (int, error) {
	_, tells := b.ReadCloser.(interface{ TellsOfWaits() })
	if tells || b.res.ContentLength <= 0 || b.x.method == http.MethodHead {
		return b.ReadCloser.Read(p)
	}
	var mu sync.Mutex // held while the head is sent: nobody writes meanwhile
	over := false
	timer := time.AfterFunc(firstBytes, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			b.x.BodyAwaited()
		}
	})
	n, err := b.ReadCloser.Read(p)
	timer.Stop()
	mu.Lock()
	defer mu.Unlock()
	over = true
	return n, err
}
