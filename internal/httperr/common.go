package httperr

import "net/http"

// StatusClientGone is the status in the access log when the client left before the
// answer: there is nobody to send it to. nginx introduced the number.
const StatusClientGone = 499

// Errors that more than one package returns.
var (
	BodyMalformed = &Error{Status: http.StatusBadRequest, Detail: "The request body is malformed or ended early."}
	NotFound      = &Error{Status: http.StatusNotFound, Detail: "Not Found"}
	BodyTimeout   = &Error{Status: http.StatusRequestTimeout, Detail: "The request body did not arrive in time."}
	BodyTooLarge  = &Error{Status: http.StatusRequestEntityTooLarge, Detail: "Request body is too large."}
	Internal      = &Error{Status: http.StatusInternalServerError, Reason: ReasonInternal, Detail: "Internal Server Error"}
	NoTable       = &Error{Status: http.StatusServiceUnavailable, Reason: ReasonNoTable, Detail: "The gateway has no route table yet."}
)

// MethodNotAllowed returns a 405 that lists the allowed methods.
func MethodNotAllowed(allow string) *Error {
	return &Error{Status: http.StatusMethodNotAllowed, Detail: "Method Not Allowed", Allow: allow}
}
