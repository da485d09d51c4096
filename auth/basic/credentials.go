package basic

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"gatehouse/internal/httperr"
)

// maxCredentials bounds the name with the password, in bytes.
const maxCredentials = 1024

// credentials are a user name and a password.
type credentials struct{ name, password string }

// credentials returns those of a request, or the refusal.
func (r *Realm) credentials(header http.Header) (credentials, *httperr.Error) {
	values := header["Authorization"]
	if len(values) == 0 {
		return credentials{}, r.refuseNone
	}
	if len(values) > 1 { // the Gate has refused it
		return credentials{}, r.refuseWrong
	}
	sent, ok := parseCredentials(values[0])
	if !ok {
		return credentials{}, r.refuseNone.Because(errMalformed)
	}
	return sent, nil
}

// parseCredentials parses the value of an Authorization header (RFC 7617 section 2). The
// name ends at the first colon. Neither part may have a control character.
func parseCredentials(value string) (credentials, bool) {
	scheme, encoded, _ := strings.Cut(value, " ")
	encoded = strings.Trim(encoded, " ")
	if !strings.EqualFold(scheme, "Basic") || base64.StdEncoding.DecodedLen(len(encoded)) > maxCredentials {
		return credentials{}, false
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") || !utf8.Valid(decoded) {
		return credentials{}, false
	}
	name, password, found := strings.Cut(string(decoded), ":")
	if !found || name == "" || strings.ContainsFunc(name+password, unicode.IsControl) {
		return credentials{}, false
	}
	return credentials{name, password}, true
}
