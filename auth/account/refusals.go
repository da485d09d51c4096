package account

// This file lists the refusals of the users endpoints, after the Gate has let
// the request pass. They have no Result: the Gate's decisions are counted
// apart from what becomes of a request later.

import (
	"errors"
	"net/http"
	"time"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/store"
)

var (
	// refuseLogin does not say what was wrong, nor does the time it takes.
	refuseLogin = &httperr.Error{
		Status: http.StatusUnauthorized, Challenge: "Bearer",
		Detail: "Incorrect email or password",
	}
	// refusePassword is not a 401: the token is fine, and front ends take a 401
	// for a session that has ended.
	refusePassword = &httperr.Error{Status: http.StatusForbidden, Detail: "Incorrect password"}

	// refuseTooMany is the answer whatever was guessed too often, and whether
	// or not there is such a user.
	refuseTooMany = &httperr.Error{
		Status: http.StatusTooManyRequests,
		Detail: "Too many attempts. Try again later.",
	}
	refuseBusy = &httperr.Error{
		Status: http.StatusServiceUnavailable, RetryAfter: maxWait,
		Detail: "Too many logins at the same time. Try again shortly.",
	}

	refuseDeleted = &httperr.Error{
		Status: http.StatusNotFound,
		Detail: "User associated with token not found in database.",
	}
	refuseNoCompanyGiven = &httperr.Error{
		Status: http.StatusBadRequest,
		Detail: "Cannot associate company: No company ID provided and no default is configured for the gateway.",
	}
	refuseJoin = &httperr.Error{Status: http.StatusForbidden, Detail: "Company cannot be joined."}
)

// refuseStore answers to an error of the store about the user of a token.
func refuseStore(err error) *httperr.Error {
	if errors.Is(err, store.ErrNotFound) {
		return refuseDeleted
	}
	return auth.StoreUnavailable.Because(err)
}

// refuseWait answers 429 with the wait that is left.
func refuseWait(left time.Duration) *httperr.Error {
	refusal := *refuseTooMany
	refusal.RetryAfter = left
	return &refusal
}
