package proxy

import (
	"net/http"
	"time"

	"gatehouse/internal/httperr"
	"gatehouse/proxy/cors"
)

// The answers of this package to requests that it refuses.
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
		Status: http.StatusMethodNotAllowed, Allow: cors.Methods,
		Detail: "Method Not Allowed",
	}
	refuseTooMany = &httperr.Error{
		Status: http.StatusTooManyRequests, RetryAfter: time.Second,
		Detail: "Too many requests at once.",
	}
)
