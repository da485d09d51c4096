package proxy

import (
	"net/http"
	"time"

	"gatehouse/internal/httperr"
)

// StatusClientGone is what the access log says when the client left before
// the answer: there is nobody to send it to. nginx introduced the number.
const StatusClientGone = 499

// Every answer of this package to a request it does not forward, or could not.
var (
	refusePath = &httperr.Error{
		Status: http.StatusBadRequest,
		Detail: "The request path is ambiguous or malformed.",
	}
	refuseHost = &httperr.Error{
		Status: http.StatusBadRequest,
		Detail: "The Host header is malformed.",
	}
	refuseMethod = &httperr.Error{
		Status: http.StatusBadRequest,
		Detail: "The request method is malformed.",
	}
	refuseTunnel = &httperr.Error{
		Status: http.StatusNotImplemented,
		Detail: "CONNECT is not supported.",
	}
	refuseTrace = &httperr.Error{
		Status: http.StatusMethodNotAllowed, Allow: corsMethods,
		Detail: "Method Not Allowed",
	}
	refuseOrigin = &httperr.Error{
		Status: http.StatusForbidden,
		Detail: "Disallowed CORS origin",
	}
	refuseHeaderSize = &httperr.Error{
		Status: http.StatusRequestHeaderFieldsTooLarge,
		Detail: "Request headers are larger than the upstream service takes.",
	}
	refuseTooMany = &httperr.Error{
		Status: http.StatusTooManyRequests, RetryAfter: time.Second,
		Detail: "Too many requests at once.",
	}
	refuseConnect = &httperr.Error{
		Status: http.StatusServiceUnavailable,
		Detail: "Could not connect to upstream service.",
	}
	refuseTimeout = &httperr.Error{
		Status: http.StatusGatewayTimeout,
		Detail: "Upstream service timed out.",
	}
	refuseUpstream = &httperr.Error{
		Status: http.StatusBadGateway,
		Detail: "An unexpected error occurred communicating with upstream service.",
	}
	refuseClientGone = &httperr.Error{
		Status: StatusClientGone,
		Detail: "The client closed the connection.",
	}
)
