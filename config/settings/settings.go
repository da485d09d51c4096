// Package settings reads what differs between two processes that serve the same
// table: GATEWAY_* in the environment, and in the .env file that fills its gaps.
//
//	settings.go     the settings, and what of them a log may show
//	load.go         reading them, every fault at once
//	secrets.go      those that are secrets: keys, and the way to the database
//	environment.go  the .env file, and variables with names that are nearly right
//	secret.go       a text that no log may show
package settings

import (
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse/config/problem"
)

const settingPrefix = "GATEWAY_"

// LogFormat is how log lines are written.
type LogFormat string

// The values of GATEWAY_LOG_FORMAT.
const (
	LogJSON LogFormat = "json"
	LogText LogFormat = "text"
)

// TransportKind is what speaks plain HTTP/1.1, to clients and to backends.
type TransportKind string

// The values of GATEWAY_TRANSPORT.
const (
	TransportLean     TransportKind = "lean"
	TransportStandard TransportKind = "standard"
)

// Settings is what differs between two processes that serve the same table. It
// is immutable, like Config.
type Settings struct {
	Listen    string // host:port of the public listener
	OpsListen string // host:port of the operators' listener

	LogLevel  slog.Level
	LogFormat LogFormat

	JWTSecret          Secret   // signs and verifies; unset is fine for commands that do neither
	JWTPreviousSecrets []Secret // verify only
	// JWTAlgorithm is HS256, HS384 or HS512; with a private key RS256, ES256
	// or EdDSA, or "" for the one that fits the key.
	JWTAlgorithm      string
	JWTPrivateKeyFile string // PEM; "" signs with JWTSecret
	// JWTPreviousKeysFile holds keys that verify and are published, PEM; "" for
	// none.
	JWTPreviousKeysFile string
	TokenTTL            time.Duration

	// DatabaseURL is postgres://… or sqlite:path, composed from
	// GATEWAY_POSTGRES_* when those are given instead.
	DatabaseURL Secret
	// FeedDatabaseURL is postgres://…, where changes to users are listened for
	// when DatabaseURL goes through a pooler; unset is DatabaseURL.
	FeedDatabaseURL Secret
	Migrate         bool // bring the database's tables up to date at start

	DefaultCompanyID uuid.UUID // uuid.Nil when there is none

	Transport               TransportKind
	MaxConnections          int           // to one backend; 0 is no bound
	MaxKeepaliveConnections int           // idle ones kept to one backend
	BackendIdleTimeout      time.Duration // how long they are kept
	MaxConnectionAge        time.Duration // of a connection to a backend; 0 is no bound

	BcryptCost int

	TLSCertFile string // PEM; "" serves without TLS
	TLSKeyFile  string
	// TLSClientCAFile holds the authorities of client certificates, PEM; ""
	// asks clients for none.
	TLSClientCAFile string

	IdleTimeout time.Duration // how long a client's connection may wait for its next request

	ShutdownDelay   time.Duration // between turning unready and closing the listener
	ShutdownTimeout time.Duration // for what is in flight after that

	// Warnings are about settings that work but should not stay.
	Warnings problem.List
}

// CheckSigning reports what keeps this process from signing and verifying tokens,
// which serving needs and looking after users does not.
func (s Settings) CheckSigning() error {
	if s.JWTSecret.IsSet() || s.JWTPrivateKeyFile != "" {
		return nil
	}
	return problem.List{{
		Message: "GATEWAY_JWT_SECRET is not set",
		Hint:    "at least 32 random bytes, such as `openssl rand -base64 48` gives; or set GATEWAY_JWT_PRIVATE_KEY_FILE",
	}}
}

// Attrs returns every setting under its variable's name, in a fixed order, for
// the log. Secrets are redacted, and the database's URL loses its password.
//
//nolint:sloglint // the keys are names of variables
func (s Settings) Attrs() []slog.Attr {
	secret := func(name string, set bool) slog.Attr {
		if !set {
			return slog.String(name, "")
		}
		return slog.String(name, problem.Redacted)
	}
	company := ""
	if s.DefaultCompanyID != uuid.Nil {
		company = s.DefaultCompanyID.String()
	}
	migrate := "off"
	if s.Migrate {
		migrate = "on"
	}
	return []slog.Attr{
		slog.String("GATEWAY_LISTEN", s.Listen),
		slog.String("GATEWAY_OPS_LISTEN", s.OpsListen),
		slog.String("GATEWAY_LOG_LEVEL", strings.ToLower(s.LogLevel.String())),
		slog.String("GATEWAY_LOG_FORMAT", string(s.LogFormat)),
		secret("GATEWAY_JWT_SECRET", s.JWTSecret.IsSet()),
		secret("GATEWAY_JWT_PREVIOUS_SECRETS", len(s.JWTPreviousSecrets) > 0),
		slog.String("GATEWAY_JWT_ALGORITHM", s.JWTAlgorithm),
		slog.String("GATEWAY_JWT_PRIVATE_KEY_FILE", publicPath(s.JWTPrivateKeyFile)),
		slog.String("GATEWAY_JWT_PREVIOUS_KEYS_FILE", publicPath(s.JWTPreviousKeysFile)),
		slog.String("GATEWAY_TOKEN_TTL", s.TokenTTL.String()),
		slog.String("GATEWAY_DATABASE_URL", publicDatabaseURL(s.DatabaseURL.Reveal())),
		slog.String("GATEWAY_FEED_DATABASE_URL", publicDatabaseURL(s.FeedDatabaseURL.Reveal())),
		slog.String("GATEWAY_MIGRATE", migrate),
		slog.String("GATEWAY_DEFAULT_COMPANY_ID", company),
		slog.String("GATEWAY_TRANSPORT", string(s.Transport)),
		slog.Int("GATEWAY_HTTP_CLIENT_MAX_CONNECTIONS", s.MaxConnections),
		slog.Int("GATEWAY_HTTP_CLIENT_MAX_KEEPALIVE_CONNECTIONS", s.MaxKeepaliveConnections),
		slog.String("GATEWAY_BACKEND_IDLE_TIMEOUT", s.BackendIdleTimeout.String()),
		slog.String("GATEWAY_MAX_CONNECTION_AGE", s.MaxConnectionAge.String()),
		slog.Int("GATEWAY_BCRYPT_COST", s.BcryptCost),
		slog.String("GATEWAY_TLS_CERT_FILE", publicPath(s.TLSCertFile)),
		slog.String("GATEWAY_TLS_KEY_FILE", publicPath(s.TLSKeyFile)),
		slog.String("GATEWAY_TLS_CLIENT_CA_FILE", publicPath(s.TLSClientCAFile)),
		slog.String("GATEWAY_IDLE_TIMEOUT", s.IdleTimeout.String()),
		slog.String("GATEWAY_SHUTDOWN_DELAY", s.ShutdownDelay.String()),
		slog.String("GATEWAY_SHUTDOWN_TIMEOUT", s.ShutdownTimeout.String()),
	}
}

// Changed returns those of Attrs that are not as they would be without any
// variable set.
func (s Settings) Changed() []slog.Attr {
	defaults, err := Load(func(string) (string, bool) { return "", false })
	if err != nil {
		return s.Attrs()
	}
	var changed []slog.Attr
	for i, attr := range s.Attrs() {
		if !attr.Equal(defaults.Attrs()[i]) && attr.Value.String() != "" { // JWT_ALGORITHM follows from a private key
			changed = append(changed, attr)
		}
	}
	return changed
}

// LogValue implements slog.LogValuer, so that logging the whole is safe too.
func (s Settings) LogValue() slog.Value { return slog.GroupValue(s.Attrs()...) }

// publicDatabaseURL returns what of a database's URL may be seen: not its
// password, nor its parameters, among which there may be another one.
func publicDatabaseURL(text string) string {
	if strings.HasPrefix(text, "sqlite:") {
		path, _, _ := strings.Cut(text, "?")
		return path
	}
	parsed, err := url.Parse(text)
	if err != nil || hasStrayAt(text) {
		return problem.Redacted
	}
	public := url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: parsed.Path}
	if parsed.User != nil {
		public.User = url.User(parsed.User.Username())
	}
	return public.String()
}

// hasStrayAt reports whether an @ stands behind the authority of a URL: then likely
// a part of a password does, which was cut off at a / ? or #.
func hasStrayAt(text string) bool {
	_, rest, _ := strings.Cut(text, "://")
	end := strings.IndexAny(rest, "/?#")
	return end >= 0 && strings.Contains(rest[end:], "@")
}

// publicPath returns a path, unless what was given as one is a key.
func publicPath(path string) string {
	if isPastedKey(path) || problem.DetectSecret(path) != "" {
		return problem.Redacted
	}
	return path
}

// isPastedKey reports whether a text is the content of a PEM file, not its path.
func isPastedKey(text string) bool {
	return strings.ContainsAny(text, "\r\n") || strings.Contains(text, "-----BEGIN")
}

// settingNames lists every variable that Load looks at.
func settingNames() []string {
	names := []string{
		"PORT", "GATEWAY_POSTGRES_USER", "GATEWAY_POSTGRES_SERVER", "GATEWAY_POSTGRES_PORT", "GATEWAY_POSTGRES_DB",
		"GATEWAY_POSTGRES_PASSWORD", "GATEWAY_POSTGRES_PASSWORD_FILE",
		"GATEWAY_JWT_SECRET_FILE", "GATEWAY_JWT_PREVIOUS_SECRETS_FILE", "GATEWAY_DATABASE_URL_FILE",
		"GATEWAY_FEED_DATABASE_URL_FILE",
	}
	for _, attr := range (Settings{}).Attrs() {
		names = append(names, attr.Key)
	}
	return names
}
