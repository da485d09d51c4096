package proxy

import (
	"net/http"
	"time"

	"gatehouse/auth"
)

// StatusClientGone is what the access log says when the client left before
// the answer: there is nobody to send it to. nginx introduced the number.
const StatusClientGone = 499

// Every answer of this package to a request it does not forward, or could not.
var (
	refusePath = &auth.Refusal{
		Status: http.StatusBadRequest,
		Detail: "The request path is ambiguous or malformed.",
	}
	refuseHost = &auth.Refusal{
		Status: http.StatusBadRequest,
		Detail: "The Host header is malformed.",
	}
	refuseMethod = &auth.Refusal{
		Status: http.StatusBadRequest,
		Detail: "The request method is malformed.",
	}
	refuseTunnel = &auth.Refusal{
		Status: http.StatusNotImplemented,
		Detail: "CONNECT is not supported.",
	}
	refuseTrace = &auth.Refusal{
		Status: http.StatusMethodNotAllowed, Allow: corsMethods,
		Detail: "Method Not Allowed",
	}
	refuseNotFound = &auth.Refusal{
		Status: http.StatusNotFound,
		Detail: "Not Found",
	}
	refuseOrigin = &auth.Refusal{
		Status: http.StatusForbidden,
		Detail: "Disallowed CORS origin",
	}
	refuseBodySize = &auth.Refusal{
		Status: http.StatusRequestEntityTooLarge,
		Detail: "Request body is too large.",
	}
	refuseBodyForm = &auth.Refusal{
		Status: http.StatusBadRequest,
		Detail: "The request body is malformed or ended early.",
	}
	refuseBodySlow = &auth.Refusal{
		Status: http.StatusRequestTimeout,
		Detail: "The request body did not arrive in time.",
	}
	refuseHeaderSize = &auth.Refusal{
		Status: http.StatusRequestHeaderFieldsTooLarge,
		Detail: "Request headers are larger than the upstream service takes.",
	}
	refuseTooMany = &auth.Refusal{
		Status: http.StatusTooManyRequests, RetryAfter: time.Second,
		Detail: "Too many requests at once.",
	}
	refuseNoTable = &auth.Refusal{
		Status: http.StatusServiceUnavailable,
		Detail: "The gateway has no route table yet.",
	}
	refuseConnect = &auth.Refusal{
		Status: http.StatusServiceUnavailable,
		Detail: "Could not connect to upstream service.",
	}
	refuseTimeout = &auth.Refusal{
		Status: http.StatusGatewayTimeout,
		Detail: "Upstream service timed out.",
	}
	refuseUpstream = &auth.Refusal{
		Status: http.StatusBadGateway,
		Detail: "An unexpected error occurred communicating with upstream service.",
	}
	refuseClientGone = &auth.Refusal{
		Status: StatusClientGone,
		Detail: "The client closed the connection.",
	}
	refuseInternal = &auth.Refusal{
		Status: http.StatusInternalServerError,
		Detail: "Internal Server Error",
	}
)

// methodNotAllowed answers 405 with the methods that would do.
func methodNotAllowed(allow string) *auth.Refusal {
	return &auth.Refusal{Status: http.StatusMethodNotAllowed, Detail: "Method Not Allowed", Allow: allow}
}
