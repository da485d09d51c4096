package forward

import (
	"context"
	"errors"
	"net/http"

	"gatehouse/internal/httperr"
)

// errCaptured is the error of capture.RoundTrip, which sends nothing.
var errCaptured = errors.New("captured")

// capture is a transport that stores the request instead of sending it.
type capture struct{ request *http.Request }

func (c *capture) RoundTrip(r *http.Request) (*http.Response, error) {
	c.request = r
	return nil, errCaptured
}

// Preview returns the request that the backend would get, without its body. It runs the
// Backend's own proxy with a transport that sends nothing. It returns the refusal of a
// request that would not be sent.
func (b *Backend) Preview(facts Facts) (*http.Request, *httperr.Error) {
	path, refusal := b.forwardedPath(facts.Path.Raw)
	if refusal != nil {
		return nil, refusal
	}
	t := &Transfer{Facts: facts, backend: b, path: path}
	a := t.newAttempt()
	a.to = &b.address
	a.grantUpgrade()
	out := facts.In.WithContext(context.WithValue(facts.In.Context(), attemptKey{}, a))
	out.Header = nil // as in Forward
	caught := new(capture)
	proxy := *b.proxy
	proxy.Transport = caught
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) {}
	proxy.ServeHTTP(nil, out)
	if caught.request == nil {
		return nil, ErrUpstream // httputil would not send the request
	}
	if agent := caught.request.Header["User-Agent"]; len(agent) == 1 && agent[0] == "" {
		delete(caught.request.Header, "User-Agent") // net/http sends no User-Agent then
	}
	return caught.request, nil
}
