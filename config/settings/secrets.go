// This file reads settings that are secrets: the signing keys and the database.

package settings

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/value"
)

// signing reads the keys that sign and verify tokens.
func (r *reader) signing(s *Settings) {
	s.JWTPrivateKeyFile = r.path("GATEWAY_JWT_PRIVATE_KEY_FILE")
	s.JWTPreviousKeysFile = r.path("GATEWAY_JWT_PREVIOUS_KEYS_FILE")
	s.JWTAlgorithm = r.algorithm(s.JWTPrivateKeyFile != "")
	const name = "GATEWAY_JWT_SECRET"
	if secret := r.secret(name); secret != "" {
		r.checkSecret(name, secret, s.JWTAlgorithm)
		s.JWTSecret = NewSecret(secret)
		if s.JWTPrivateKeyFile != "" {
			r.warn(name+" is not used: the key in GATEWAY_JWT_PRIVATE_KEY_FILE signs", "to accept its tokens until they have expired, put it into GATEWAY_JWT_PREVIOUS_SECRETS")
		}
	}
	const previous = "GATEWAY_JWT_PREVIOUS_SECRETS"
	for i, secret := range splitSecrets(r.secret(previous)) {
		label := fmt.Sprintf("%s, number %d,", previous, i+1)
		if isPlaceholder(secret) {
			r.fail(label+" is a well-known default", "anybody could sign with it: drop it")
		} else if len(secret) < minSecret("") {
			// It was accepted by the original gateway, and a token of that
			// gateway expires within a day.
			r.warn(label+" is shorter than 32 bytes", "drop it when the tokens signed with it have expired")
		}
		s.JWTPreviousSecrets = append(s.JWTPreviousSecrets, NewSecret(secret))
	}
}

// splitSecrets returns one secret per line. A single line is split at commas.
func splitSecrets(text string) []string {
	separator := ","
	if strings.Contains(text, "\n") {
		separator = "\n"
	}
	var secrets []string
	for secret := range strings.SplitSeq(text, separator) {
		if secret = strings.TrimSpace(secret); secret != "" {
			secrets = append(secrets, secret)
		}
	}
	return secrets
}

// algorithm reads the algorithm, which must fit the kind of key.
func (r *reader) algorithm(privateKey bool) string {
	const name = "GATEWAY_JWT_ALGORITHM"
	symmetric := []string{"HS256", "HS384", "HS512"}
	asymmetric := []string{"RS256", "ES256", "EdDSA"}
	fallback, fitting, other := "HS256", symmetric, asymmetric
	hint := "it needs a key pair: set GATEWAY_JWT_PRIVATE_KEY_FILE"
	if privateKey {
		fallback, fitting, other = "", asymmetric, symmetric
		hint = "with GATEWAY_JWT_PRIVATE_KEY_FILE it is one of " + strings.Join(asymmetric, ", ")
	}
	return setting(r, name, fallback, func(text string) (string, *problem.Fault) {
		if slices.Contains(other, text) {
			return "", &problem.Fault{Reason: "does not fit the key", Hint: hint}
		}
		return text, problem.OneOf("algorithm", text, fitting...)
	})
}

// minSecret returns the least length of a secret in bytes: the length of the
// hash (RFC 7518 section 3.2).
func minSecret(algorithm string) int {
	switch algorithm {
	case "HS384":
		return 48
	case "HS512":
		return 64
	default:
		return 32
	}
}

// checkSecret refuses secrets that can be guessed.
func (r *reader) checkSecret(name, secret, algorithm string) {
	const hint = "use random bytes, such as `openssl rand -base64 48` gives"
	switch {
	case isPlaceholder(secret):
		r.fail(name+" is a well-known default", hint)
	case len(secret) < minSecret(algorithm):
		r.fail(fmt.Sprintf("%s has %d bytes; it needs at least %d", name, len(secret), minSecret(algorithm)), hint)
	case strings.TrimSpace(secret) != secret:
		r.warn(name+" begins or ends with white space", "other verifiers may cut it off")
	}
}

// minOpsToken is the least length of GATEWAY_OPS_TOKEN in bytes. Nobody can guess 16 random
// bytes, also not without a limit on the attempts.
const minOpsToken = 16

// opsToken reads the token for changes at the operators' listener. It is sent as a bearer
// token (RFC 6750 section 2.1).
func (r *reader) opsToken() Secret {
	const name, hint = "GATEWAY_OPS_TOKEN", "use random bytes, such as `openssl rand -base64 24` gives"
	token := r.secret(name)
	switch {
	case token == "":
		return Secret{}
	case isPlaceholder(token):
		r.fail(name+" is a well-known default", hint)
	case len(token) < minOpsToken:
		r.fail(fmt.Sprintf("%s has %d bytes; it needs at least %d", name, len(token), minOpsToken), hint)
	case strings.Trim(strings.TrimRight(token, "="), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") != "":
		r.fail(name+" has characters that no bearer token has", hint)
	}
	return NewSecret(token)
}

// isPlaceholder reports whether a secret comes from an example, or is a
// repeated short text.
func isPlaceholder(secret string) bool {
	letters := strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '_' || r == '.' || r == '!' {
			return -1
		}
		return r
	}, strings.ToLower(secret))
	for _, phrase := range []string{
		"changeme", "changethis", "changeit", "changein", "replaceme", "replacethis", "yoursecret", "yourjwtsecret", "yourdefault",
		"yoursupersecret", "supersecretkey", "mysecretkey", "examplesecret", "insecuresecret", "secretkeyhere", "placeholder",
	} {
		if strings.Contains(letters, phrase) {
			return true
		}
	}
	return isRepeated(secret)
}

// isRepeated reports whether a text repeats a part of at most eight bytes.
func isRepeated(text string) bool {
	for period := 1; period <= 8 && period*2 <= len(text); period++ {
		if text[period:] == text[:len(text)-period] {
			return true
		}
	}
	return false
}

// database returns the URL of the database: as given, or built from the parts
// that the original gateways used.
func (r *reader) database() Secret {
	const name = "GATEWAY_DATABASE_URL"
	direct := r.secret(name)
	var set []string
	for _, part := range []string{"USER", "PASSWORD", "PASSWORD_FILE", "SERVER", "PORT", "DB"} {
		if variable := "GATEWAY_POSTGRES_" + part; r.text(variable) != "" {
			set = append(set, variable)
		}
	}
	given := r.text(name) != "" || r.text(name+"_FILE") != ""
	switch {
	case given && len(set) > 0:
		r.fail(name+" is set, and so is "+strings.Join(set, ", "), "name the database in one of the two ways")
	case len(set) > 0:
		return r.databaseURLFromParts()
	case direct != "":
		if f := databaseRule(direct); f != nil {
			r.fail(name+" "+f.Reason, f.Hint)
		}
		return NewSecret(direct)
	}
	return NewSecret("sqlite:gatehouse.db")
}

// feedDatabase returns the URL at which the gateway listens for changes to
// users.
func (r *reader) feedDatabase() Secret {
	const name = "GATEWAY_FEED_DATABASE_URL"
	text := r.secret(name)
	switch f := databaseRule(text); {
	case text == "":
		return Secret{}
	case f != nil:
		r.fail(name+" "+f.Reason, f.Hint)
	case strings.HasPrefix(text, "sqlite:"):
		r.fail(name+" is not a PostgreSQL URL", "the same database as GATEWAY_DATABASE_URL, without the pooler")
	}
	return NewSecret(text)
}

// databaseURLFromParts returns the URL that the parts make.
func (r *reader) databaseURLFromParts() Secret {
	required := func(name string) string {
		value := r.text(name)
		if value == "" {
			r.fail(name+" is not set", "the other GATEWAY_POSTGRES_… are; or set GATEWAY_DATABASE_URL alone")
		}
		return value
	}
	user := required("GATEWAY_POSTGRES_USER")
	password := r.secret("GATEWAY_POSTGRES_PASSWORD")
	if password == "" && r.text("GATEWAY_POSTGRES_PASSWORD") == "" && r.text("GATEWAY_POSTGRES_PASSWORD_FILE") == "" {
		required("GATEWAY_POSTGRES_PASSWORD")
	}
	server := required("GATEWAY_POSTGRES_SERVER")
	if f := value.CheckHost(server); server != "" && f != nil {
		r.fail("GATEWAY_POSTGRES_SERVER: "+f.Reason, "a host alone; the port goes into GATEWAY_POSTGRES_PORT")
	}
	port := setting(r, "GATEWAY_POSTGRES_PORT", 5432, numberBetween(1, 65535))
	database := required("GATEWAY_POSTGRES_DB")
	composed := url.URL{
		Scheme: "postgres",
		User:   url.UserPassword(user, password),
		Host:   net.JoinHostPort(server, fmt.Sprint(port)),
		Path:   "/" + database,
	}
	return NewSecret(composed.String())
}

// databaseRule checks the URL of a database. No message repeats the URL.
func databaseRule(text string) *problem.Fault {
	const hint = "postgres://user:password@host:5432/database or sqlite:gatehouse.db"
	if path, found := strings.CutPrefix(text, "sqlite:"); found {
		if path == "" || strings.HasPrefix(path, "?") {
			return &problem.Fault{Reason: "names no file", Hint: "such as sqlite:gatehouse.db"}
		}
		return nil
	}
	if hasStrayAt(text) {
		return &problem.Fault{Reason: "has an @ in the wrong place", Hint: "percent-encode / ? # @ in the password"}
	}
	parsed, err := url.Parse(text)
	if err != nil {
		return &problem.Fault{Reason: "is not a valid URL", Hint: hint + "; percent-encode special characters in the password"}
	}
	if parsed.Scheme != "postgres" && parsed.Scheme != "postgresql" {
		if strings.HasPrefix(parsed.Scheme, "postgres") {
			return &problem.Fault{Reason: "names a driver in its scheme", Hint: "begin with postgres://"}
		}
		return &problem.Fault{Reason: "is neither postgres://… nor sqlite:…", Hint: hint}
	}
	if parsed.Host == "" && !parsed.Query().Has("host") {
		return &problem.Fault{Reason: "has no host", Hint: hint}
	}
	return nil
}
