package basic

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
)

var errMalformed = errors.New("the Authorization header is not Basic with a name and a password in UTF-8")

// reason is why credentials were refused.
type reason int

const (
	noCredentials reason = iota
	wrongCredentials
)

// refuse returns a refusal. It never says whether the name or the password was wrong.
func refuse(challenge string, why reason) *httperr.Error {
	if why == noCredentials {
		return &httperr.Error{
			Status: http.StatusUnauthorized, Challenge: challenge, AuthResult: string(auth.ResultNoToken),
			Detail: "Not authenticated",
		}
	}
	return &httperr.Error{
		Status: http.StatusUnauthorized, Challenge: challenge, AuthResult: string(auth.ResultPassword),
		Detail: "Incorrect user name or password.",
	}
}

// notCompared returns the refusal of an attempt that was not made, with its result for
// the metrics.
func notCompared(refusal *httperr.Error) *httperr.Error {
	with := *refusal
	with.AuthResult = string(auth.ResultUnavailable)
	if refusal.Status == http.StatusTooManyRequests {
		with.AuthResult = string(auth.ResultThrottled)
	}
	return &with
}

// clientGone is the refusal of a client that did not wait.
var clientGone = (&httperr.Error{Status: httperr.StatusClientGone, AuthResult: string(auth.ResultUnavailable)}).Because(context.Canceled)

// challengeOf returns the WWW-Authenticate of a realm (RFC 7617 section 2.1).
func challengeOf(realm string) string {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, realm))
	return `Basic realm="` + quoted + `", charset="UTF-8"`
}
