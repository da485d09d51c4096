package forward

import (
	"net/http"
	"strings"

	"gatehouse/config"
)

// Key returns what of the request a key of the table names, or "" when the request does not
// have it.
func (f *Facts) Key(by *config.HashKey) string {
	switch {
	case by == nil:
		return ""
	case by.Header != "":
		return strings.Join(f.In.Header[http.CanonicalHeaderKey(by.Header)], ",")
	case by.Cookie != "":
		if cookie, err := f.In.Cookie(by.Cookie); err == nil {
			return cookie.Value
		}
		return ""
	case by.Claim != "":
		if f.Identity == nil {
			return ""
		}
		return f.Identity.Claim(by.Claim)
	case f.Caller.IP.IsValid():
		return f.Caller.IP.String()
	}
	return ""
}
