package forward

import (
	"errors"
	"net/http"
	"time"
)

// modifyResponse is the ModifyResponse of httputil.ReverseProxy. It maps addresses back
// to the client's paths, removes headers that a backend may not send, and prepares the
// attempt for the response body. It returns an error when the status cannot be written.
func (b *Backend) modifyResponse(res *http.Response) error {
	a := attemptOf(res.Request.Context())
	a.backendSpoke = true
	b.metrics.Backend(true)
	took := time.Since(a.began)
	b.metrics.ResponseHeader(took)
	if b.servers != nil {
		if err := a.t.answered(res, took); err != nil {
			return err
		}
	}
	if res.StatusCode < 100 || res.StatusCode > 999 {
		return errStatus
	}
	if b.servers != nil {
		a.t.stick(res)
	}
	if b.back != nil {
		host, _ := a.t.Caller.Host(a.t.In)
		b.back.Map(res.Header, host)
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		if err := a.switchProtocols(res); err != nil {
			return err
		}
	} else {
		b.removeOwn(res.Header)
		b.cleanTrailer(res.Trailer)
		if len(res.Header["Content-Type"]) == 0 {
			res.Header["Content-Type"] = nil // or net/http would guess one
		}
		if a.upgrade.webSocket { // refused: a 426 has a Sec-WebSocket-Version
			spellWebSocket(res.Header)
		}
		a.responseBody = backendBody{ReadCloser: res.Body, a: a, res: res}
		res.Body = &a.responseBody
	}
	if a.t.In.ProtoMajor == 1 && len(res.Trailer) > 0 {
		delete(res.Header, "Content-Length") // in HTTP/1.1, trailers need chunks; HTTP/2 may have both
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
		a.watchServer()
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		mergeHeader(&a.t.answer, res)
	}
	a.answered.Store(true)
	a.idleTimer.SetTimeout(b.config.IdleTimeout) // after answered is set, so that no reader pauses it again
	return nil
}

// HeaderMerger is implemented by a ResponseWriter that can use a header without copying
// it.
type HeaderMerger interface {
	// MergeHeader adds header to that of the answer. The caller must not use header
	// afterwards.
	MergeHeader(header http.Header)
}

// mergeHeader moves the headers of res to the answer, because httputil would add them
// value by value. Afterwards httputil needs only the length of the body. Like
// http.ResponseController, mergeHeader unwraps the writer until it finds a HeaderMerger.
// Without one it adds the values itself.
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

// errStatus is the error for a status with fewer or more than three digits.
var errStatus = errors.New("backend answered with a status that there is not")
