package forward

import (
	"errors"
	"net/http"
)

// modifyResponse cleans the backend's response headers: what the gateway says of every
// answer is not the backend's to say, and from here on bodies are streams.
func (b *Backend) modifyResponse(res *http.Response) error {
	a := attemptOf(res.Request.Context())
	a.backendSpoke = true
	b.metrics.Backend(true)
	if res.StatusCode < 100 || res.StatusCode > 999 {
		return errStatus
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		if err := a.switchProtocols(res); err != nil {
			return err
		}
	} else {
		b.policy.removeOwn(res.Header)
		b.policy.cleanTrailer(res.Trailer)
		if len(res.Header["Content-Type"]) == 0 {
			res.Header["Content-Type"] = nil // or net/http would guess one
		}
		if a.upgrade.webSocket { // it is refused: 426 has a Sec-WebSocket-Version
			spellWebSocket(res.Header)
		}
		a.responseBody = backendBody{ReadCloser: res.Body, a: a, res: res}
		res.Body = &a.responseBody
	}
	if a.t.In.ProtoMajor == 1 && len(res.Trailer) > 0 {
		delete(res.Header, "Content-Length") // HTTP/2 has both; in HTTP/1.1 trailers come with chunks only
	}
	if a.t.body != nil {
		a.t.body.startStreaming()
	}
	if a.t.replay != nil {
		a.t.replay.commit()
	}
	if isStream(res) {
		a.endless = isEndless(res)
		a.watchRevocation(res.Request.Context())
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		mergeHeader(&a.t.answer, res)
	}
	a.answered.Store(true)
	a.idleTimer.SetTimeout(b.config.IdleTimeout) // after answer, so that no reader pauses it again
	return nil
}

// HeaderMerger is a ResponseWriter that need not copy a header.
type HeaderMerger interface {
	// MergeHeader adds a header that nobody else uses any more.
	MergeHeader(header http.Header)
}

// mergeHeader makes the backend's headers those of the answer. httputil would add them
// value by value, and has only the length of the body to look at afterwards. Like
// http.ResponseController it looks below wrappers for a writer that can do it.
func mergeHeader(to http.ResponseWriter, res *http.Response) {
	header := res.Header
	res.Header = nil
	for w := to; ; {
		if merger, ok := w.(HeaderMerger); ok {
			merger.MergeHeader(header)
			return
		}
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = wrapper.Unwrap()
	}
	own := to.Header()
	for name, values := range header {
		own[name] = append(own[name], values...)
	}
}

// errStatus is for a status that nobody can write.
var errStatus = errors.New("backend answered with a status that there is not")
