package account

// This file lists the refusals of the users endpoints, after the Gate has let
// the request pass. They have no Result, because the Gate's decision was
// counted already.

import (
	"errors"
	"net/http"
	"time"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/store"
)

var (
	// refuseLogin does not show what was wrong, and neither does its timing.
	refuseLogin = &httperr.Error{
		Status: http.StatusUnauthorized, Challenge: "Bearer",
		Detail: "Incorrect email or password",
	}
	// refusePassword is not a 401: the token is valid, and front ends treat a
	// 401 as the end of the session.
	refusePassword = &httperr.Error{Status: http.StatusForbidden, Detail: "Incorrect password"}

	// refuseTooMany is the same answer for every kind of guessing, and whether
	// or not the user exists.
	refuseTooMany = &httperr.Error{
		Status: http.StatusTooManyRequests,
		Detail: "Too many attempts. Try again later.",
	}
	refuseBusy = &httperr.Error{
		Status: http.StatusServiceUnavailable, RetryAfter: maxWait, Reason: httperr.ReasonLimit,
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

// refuseStore returns the answer to a store error about the user of a token.
func refuseStore(err error) *httperr.Error {
	if errors.Is(err, store.ErrNotFound) {
		return refuseDeleted
	}
	return auth.StoreUnavailable.Because(err)
}

// refuseWait returns a 429 with the wait that remains.
func refuseWait(left time.Duration) *httperr.Error {
	refusal := *refuseTooMany
	refusal.RetryAfter = left
	return &refusal
}
