// Package settings reads the settings of one process, which may differ between
// processes with the same table: GATEWAY_* in the environment, and in the .env
// file that fills its gaps.
//
//	settings.go     the settings, and which of their values a log may show
//	load.go         reading them, every fault at once
//	address.go      where the listeners for clients listen
//	secrets.go      the secret ones: keys, and the database
//	environment.go  the .env file, and variables with nearly correct names
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

// LogFormat is the format of log lines.
type LogFormat string

// The values of GATEWAY_LOG_FORMAT.
const (
	LogJSON LogFormat = "json"
	LogText LogFormat = "text"
)

// TransportKind is the implementation of plain HTTP/1.1, to clients and to
// backends.
type TransportKind string

// The values of GATEWAY_TRANSPORT.
const (
	TransportLean     TransportKind = "lean"
	TransportStandard TransportKind = "standard"
)

// Settings are the settings of one process. They are immutable, like Config.
type Settings struct {
	Listen         Addresses // of the public listeners
	OpsListen      string    // host:port of the operators' listener
	RedirectListen Addresses // of the listeners that redirect to https
	RedirectPort   int       // for https, in these redirects; 0 means the port of Listen

	LogLevel  slog.Level
	LogFormat LogFormat

	JWTSecret          Secret   // signs and verifies; may be unset for commands that do neither
	JWTPreviousSecrets []Secret // only verify
	// JWTAlgorithm is HS256, HS384 or HS512. With a private key it is RS256,
	// ES256 or EdDSA, or "" for the algorithm that fits the key.
	JWTAlgorithm      string
	JWTPrivateKeyFile string // PEM; "" signs with JWTSecret
	// JWTPreviousKeysFile is a PEM file of keys that verify and are published,
	// or "".
	JWTPreviousKeysFile string
	TokenTTL            time.Duration

	// DatabaseURL is postgres://… or sqlite:path. It may be built from
	// GATEWAY_POSTGRES_*.
	DatabaseURL Secret
	// FeedDatabaseURL is postgres://…, where the gateway listens for changes to
	// users when DatabaseURL points to a pooler. Unset means DatabaseURL.
	FeedDatabaseURL Secret
	Migrate         bool // update the database's tables at start

	DefaultCompanyID uuid.UUID // uuid.Nil means none

	Transport               TransportKind
	MaxConnections          int           // to one backend; 0 means no bound
	MaxKeepaliveConnections int           // idle connections kept to one backend
	BackendIdleTimeout      time.Duration // how long idle connections are kept
	MaxConnectionAge        time.Duration // of a connection to a backend; 0 means no bound

	BcryptCost int

	// SecretKeysFile names a file of keys that seal and sign what clients keep for the
	// gateway, such as sticky cookies: one a line, the first one seals. "" means none.
	SecretKeysFile string
	// OpsToken is asked for by every change at the operators' listener. Without it, only
	// /-/reload is open.
	OpsToken Secret

	TLSCertFile string // PEM; "" means without TLS
	TLSKeyFile  string
	// TLSClientCAFile holds the authorities of client certificates in PEM. ""
	// means that clients need no certificate.
	TLSClientCAFile string

	IdleTimeout time.Duration // how long a client's connection may wait for its next request

	ShutdownDelay   time.Duration // between becoming unready and closing the listener
	ShutdownTimeout time.Duration // for open requests after that

	// Warnings are about settings that work but should be changed.
	Warnings problem.List
}

// CheckSigning returns why this process cannot sign and verify tokens. Serving
// needs this; commands that manage users do not.
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
		slog.String("GATEWAY_LISTEN", s.Listen.String()),
		slog.String("GATEWAY_OPS_LISTEN", s.OpsListen),
		slog.String("GATEWAY_REDIRECT_LISTEN", s.RedirectListen.String()),
		slog.Int("GATEWAY_REDIRECT_PORT", s.RedirectPort),
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
		slog.String("GATEWAY_SECRET_KEYS_FILE", publicPath(s.SecretKeysFile)),
		secret("GATEWAY_OPS_TOKEN", s.OpsToken.IsSet()),
		slog.String("GATEWAY_TLS_CERT_FILE", publicPath(s.TLSCertFile)),
		slog.String("GATEWAY_TLS_KEY_FILE", publicPath(s.TLSKeyFile)),
		slog.String("GATEWAY_TLS_CLIENT_CA_FILE", publicPath(s.TLSClientCAFile)),
		slog.String("GATEWAY_IDLE_TIMEOUT", s.IdleTimeout.String()),
		slog.String("GATEWAY_SHUTDOWN_DELAY", s.ShutdownDelay.String()),
		slog.String("GATEWAY_SHUTDOWN_TIMEOUT", s.ShutdownTimeout.String()),
	}
}

// Changed returns those of Attrs that differ from the defaults.
func (s Settings) Changed() []slog.Attr {
	defaults, err := Load(func(string) (string, bool) { return "", false })
	if err != nil {
		return s.Attrs()
	}
	var changed []slog.Attr
	for i, attr := range s.Attrs() {
		if !attr.Equal(defaults.Attrs()[i]) && attr.Value.String() != "" { // JWT_ALGORITHM depends on the private key
			changed = append(changed, attr)
		}
	}
	return changed
}

// LogValue implements slog.LogValuer, so that logging all settings is safe,
// too.
func (s Settings) LogValue() slog.Value { return slog.GroupValue(s.Attrs()...) }

// publicDatabaseURL returns the public part of a database's URL: without its
// password, and without its parameters, which may contain another password.
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

// hasStrayAt reports whether an @ stands after the authority of a URL. Then the
// part before it is probably the rest of a password that contains / ? or #.
func hasStrayAt(text string) bool {
	_, rest, _ := strings.Cut(text, "://")
	end := strings.IndexAny(rest, "/?#")
	return end >= 0 && strings.Contains(rest[end:], "@")
}

// publicPath returns a path, unless the value is a pasted key.
func publicPath(path string) string {
	if isPastedKey(path) || problem.DetectSecret(path) != "" {
		return problem.Redacted
	}
	return path
}

// isPastedKey reports whether a text is the content of a PEM file and not its
// path.
func isPastedKey(text string) bool {
	return strings.ContainsAny(text, "\r\n") || strings.Contains(text, "-----BEGIN")
}

// settingNames lists every variable that Load reads.
func settingNames() []string {
	names := []string{
		"PORT", "GATEWAY_POSTGRES_USER", "GATEWAY_POSTGRES_SERVER", "GATEWAY_POSTGRES_PORT", "GATEWAY_POSTGRES_DB",
		"GATEWAY_POSTGRES_PASSWORD", "GATEWAY_POSTGRES_PASSWORD_FILE",
		"GATEWAY_JWT_SECRET_FILE", "GATEWAY_JWT_PREVIOUS_SECRETS_FILE", "GATEWAY_DATABASE_URL_FILE",
		"GATEWAY_FEED_DATABASE_URL_FILE", "GATEWAY_OPS_TOKEN_FILE",
	}
	for _, attr := range (Settings{}).Attrs() {
		names = append(names, attr.Key)
	}
	return names
}
