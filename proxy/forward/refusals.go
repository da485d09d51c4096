package forward

import (
	"errors"
	"net/http"
	"time"

	"gatehouse/internal/httperr"
)

// ErrUpstream is the answer when the backend gave none, or one that is not HTTP.
var ErrUpstream = &httperr.Error{
	Status: http.StatusBadGateway, Reason: httperr.ReasonBroken,
	Detail: "An unexpected error occurred communicating with upstream service.",
}

// The other answers of this package to requests that no backend has answered.
var (
	refuseRewrite = &httperr.Error{
		Status: http.StatusBadGateway, Reason: httperr.ReasonRewrite,
		Detail: "The request path cannot be rewritten for the upstream service.",
	}
	refuseLongPath = &httperr.Error{
		Status: http.StatusRequestURITooLong,
		Detail: "The request path is too long to be rewritten.",
	}
	refuseHeaderSize = &httperr.Error{
		Status: http.StatusRequestHeaderFieldsTooLarge,
		Detail: "Request headers are larger than the upstream service takes.",
	}
	refuseConnect = &httperr.Error{
		Status: http.StatusServiceUnavailable, Reason: httperr.ReasonConnect,
		Detail: "Could not connect to upstream service.",
	}
	// refuseResources has the same words, because a client can do the same about it.
	refuseResources = &httperr.Error{
		Status: http.StatusServiceUnavailable, Reason: httperr.ReasonResources,
		Detail: "Could not connect to upstream service.",
	}
	refuseTimeout = &httperr.Error{
		Status: http.StatusGatewayTimeout, Reason: httperr.ReasonTimeout,
		Detail: "Upstream service timed out.",
	}
	refuseNoServer = &httperr.Error{
		Status: http.StatusServiceUnavailable, Reason: httperr.ReasonConnect,
		Detail: "Could not connect to upstream service.", Cause: errors.New("the backend has no server"),
	}
	refuseFull = &httperr.Error{
		Status: http.StatusServiceUnavailable, Reason: httperr.ReasonLimit, RetryAfter: time.Second,
		Detail: "Upstream service is busy. Please try again later.",
	}
	refuseClientGone = &httperr.Error{
		Status: httperr.StatusClientGone,
		Detail: "The client closed the connection.",
	}
)
