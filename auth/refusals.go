package auth

// This file lists the refusals of the users endpoints, after the Gate has let
// the request pass. They have no Result: the Gate's decisions are counted
// apart from what becomes of a request later.

import (
	"errors"
	"net/http"
	"time"

	"gatehouse/store"
)

var (
	refuseNotFound = &Refusal{Status: http.StatusNotFound, Detail: "Not Found"}
	refuseInternal = &Refusal{Status: http.StatusInternalServerError, Detail: "Internal Server Error"}

	refuseBodySize = &Refusal{Status: http.StatusRequestEntityTooLarge, Detail: "Request body is too large."}
	refuseBodySlow = &Refusal{Status: http.StatusRequestTimeout, Detail: "The request body did not arrive in time."}
	refuseBodyForm = &Refusal{Status: http.StatusBadRequest, Detail: "The request body is malformed or ended early."}

	// refuseLogin does not say what was wrong, nor does the time it takes.
	refuseLogin = &Refusal{
		Status: http.StatusUnauthorized, Challenge: challengeNone,
		Detail: "Incorrect email or password",
	}
	// refusePassword is not a 401: the token is fine, and front ends take a 401
	// for a session that has ended.
	refusePassword = &Refusal{Status: http.StatusForbidden, Detail: "Incorrect password"}

	// refuseTooMany is the answer whatever was guessed too often, and whether
	// or not there is such a user.
	refuseTooMany = &Refusal{
		Status: http.StatusTooManyRequests,
		Detail: "Too many attempts. Try again later.",
	}
	refuseBusy = &Refusal{
		Status: http.StatusServiceUnavailable, RetryAfter: maxWait,
		Detail: "Too many logins at the same time. Try again shortly.",
	}

	refuseDeleted = &Refusal{
		Status: http.StatusNotFound,
		Detail: "User associated with token not found in database.",
	}
	refuseNoCompanyGiven = &Refusal{
		Status: http.StatusBadRequest,
		Detail: "Cannot associate company: No company ID provided and no default is configured for the gateway.",
	}
	refuseJoin = &Refusal{Status: http.StatusForbidden, Detail: "Company cannot be joined."}
)

// refuseMethod answers 405 with the methods that would do.
func refuseMethod(allow string) *Refusal {
	return &Refusal{Status: http.StatusMethodNotAllowed, Detail: "Method Not Allowed", Allow: allow}
}

// refuseStore answers to an error of the store about the user of a token.
func refuseStore(err error) *Refusal {
	if errors.Is(err, store.ErrNotFound) {
		return refuseDeleted
	}
	return refuseUnavailable.Because(err)
}

// refuseWait answers 429 with the wait that is left.
func refuseWait(left time.Duration) *Refusal {
	refusal := *refuseTooMany
	refusal.RetryAfter = left
	return &refusal
}
