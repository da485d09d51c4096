package proxy

import (
	"errors"
	"net/http"
	"time"

	"gatehouse/auth"
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
		Status: http.StatusNotImplemented, Reason: httperr.ReasonUnsupported,
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
	refuseAddress = &httperr.Error{
		Status: http.StatusForbidden, AuthResult: string(auth.ResultAddress),
		Detail: "Access from this address is not allowed.",
	}
	refuseUnknownAddress  = refuseAddress.Because(errors.New("the client's address is unknown, and the route has allow_from or deny_from"))
	refuseDeniedAddress   = refuseAddress.Because(errors.New("the client's address is in deny_from"))
	refuseUnlistedAddress = refuseAddress.Because(errors.New("the client's address is not in allow_from"))
)
