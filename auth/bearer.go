package auth

import (
	"net/http"
	"strings"

	"gatehouse/internal/httperr"
)

// bearerToken returns the one token of a request (RFC 6750 section 2.1). The
// case of the scheme does not matter (RFC 9110 section 11.1). Two Authorization
// headers are refused, because the next reader of the request might use the
// other one.
func bearerToken(header http.Header) (string, *httperr.Error) {
	values := header["Authorization"]
	if len(values) > 1 {
		return "", refuseTwoTokens
	}
	if len(values) == 0 {
		return "", refuseNoToken
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	switch {
	case !strings.EqualFold(scheme, "Bearer"):
		return "", refuseScheme
	case token == "":
		return "", refuseEmptyToken
	}
	return token, nil
}
