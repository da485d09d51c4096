// This file reads settings: every variable by itself, and all faults at once.

package settings

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse/config/problem"
	"gatehouse/config/textfile"
	"gatehouse/config/value"
)

// Load reads GATEWAY_* (and PORT). An empty variable counts as unset, except
// where that would turn off a check of clients. The error is a problem.List
// with every bad value. No message contains a secret. Load does not check
// whether tokens can be signed; see CheckSigning.
func Load(lookup Lookup) (Settings, error) {
	r := &reader{lookup: lookup}
	s := Settings{
		Listen:    r.listen(),
		OpsListen: setting(r, "GATEWAY_OPS_LISTEN", "127.0.0.1:8081", parseAddress),

		RedirectListen: setting(r, "GATEWAY_REDIRECT_LISTEN", nil, parseAddresses),
		RedirectPort:   setting(r, "GATEWAY_REDIRECT_PORT", 0, numberBetween(1, 65535)),

		LogLevel:  setting(r, "GATEWAY_LOG_LEVEL", slog.LevelInfo, parseLevel),
		LogFormat: setting(r, "GATEWAY_LOG_FORMAT", LogJSON, parseLogFormat),

		TokenTTL: setting(r, "GATEWAY_TOKEN_TTL", 24*time.Hour, durationFrom(time.Minute)),

		DatabaseURL:      r.database(),
		FeedDatabaseURL:  r.feedDatabase(),
		Migrate:          setting(r, "GATEWAY_MIGRATE", true, parseSwitch),
		DefaultCompanyID: setting(r, "GATEWAY_DEFAULT_COMPANY_ID", uuid.Nil, value.ParseUUID),

		Transport:               setting(r, "GATEWAY_TRANSPORT", TransportLean, parseTransport),
		MaxConnections:          setting(r, "GATEWAY_HTTP_CLIENT_MAX_CONNECTIONS", 0, numberBetween(0, 1_000_000)),
		MaxKeepaliveConnections: setting(r, "GATEWAY_HTTP_CLIENT_MAX_KEEPALIVE_CONNECTIONS", 100, numberBetween(0, 1_000_000)),
		BackendIdleTimeout:      setting(r, "GATEWAY_BACKEND_IDLE_TIMEOUT", 90*time.Second, durationFrom(leastConnectionTime)),
		MaxConnectionAge:        setting(r, "GATEWAY_MAX_CONNECTION_AGE", 5*time.Minute, noneOrFrom(leastConnectionTime)),

		BcryptCost: setting(r, "GATEWAY_BCRYPT_COST", 12, numberBetween(4, 16)),

		TLSCertFile: r.path("GATEWAY_TLS_CERT_FILE"),
		TLSKeyFile:  r.path("GATEWAY_TLS_KEY_FILE"),

		TLSClientCAFile: r.path("GATEWAY_TLS_CLIENT_CA_FILE"),

		IdleTimeout: setting(r, "GATEWAY_IDLE_TIMEOUT", 120*time.Second, durationFrom(time.Second)),

		ShutdownDelay:   setting(r, "GATEWAY_SHUTDOWN_DELAY", 0, value.ParseDuration),
		ShutdownTimeout: setting(r, "GATEWAY_SHUTDOWN_TIMEOUT", 30*time.Second, value.ParseDuration),
	}
	r.signing(&s)
	s.SecretKeysFile = r.pathOf("GATEWAY_SECRET_KEYS_FILE", "want the path of a file with one key a line, not a key")
	s.OpsToken = r.opsToken()
	r.checkCombinations(s)
	problems := r.problems.Sort()
	if problems.HasErrors() {
		return Settings{}, problems
	}
	s.Warnings = problems
	return s, nil
}

// reader reads variables and collects the problems with them.
type reader struct {
	lookup   Lookup
	problems problem.List
}

// text returns a variable, or "" when it is not set.
func (r *reader) text(name string) string {
	value, _ := r.lookup(name)
	return value
}

// isSet reports whether a variable is set, even to "".
func (r *reader) isSet(name string) bool {
	_, found := r.lookup(name)
	return found
}

// path returns a variable that names a PEM file.
func (r *reader) path(name string) string {
	return r.pathOf(name, "want the path of a PEM file, not the key itself")
}

// pathOf returns a variable that names a file.
func (r *reader) pathOf(name, hint string) string {
	path := r.text(name)
	if isPastedKey(path) {
		r.fail(name+" is not a path", hint)
	}
	return path
}

func (r *reader) fail(message, hint string) {
	r.problems = append(r.problems, problem.Problem{Message: message, Hint: hint})
}

func (r *reader) warn(message, hint string) {
	r.problems = append(r.problems, problem.Problem{Severity: problem.SeverityWarning, Message: message, Hint: hint})
}

// setting reads a variable that is not a secret.
func setting[T any](r *reader, name string, fallback T, parse func(string) (T, *problem.Fault)) T {
	text := r.text(name)
	if text == "" {
		return fallback
	}
	value, f := parse(text)
	if f == nil {
		return value
	}
	shown, hidden := shownSetting(name, text)
	r.fail(shown+": "+f.Reason, f.HintFor(hidden))
	return fallback
}

// maxShown is the length in bytes of the longest setting that a message
// repeats. A longer one may be a secret that was meant for another setting.
const maxShown = 10

// shownSetting returns a variable's name, with its value when that may be
// shown.
func shownSetting(name, text string) (shown string, hidden bool) {
	if len(text) > maxShown {
		return name, true
	}
	return name + " " + problem.Quote(text), false
}

// maxSecretFile bounds the file of a secret, in bytes.
const maxSecretFile = 64 << 10

// secret returns a variable, or the content of the file that NAME_FILE names.
// It removes the byte order mark and one line break that editors add.
func (r *reader) secret(name string) string {
	direct, path := r.text(name), r.text(name+"_FILE")
	switch {
	case path == "":
		return direct
	case direct != "":
		r.fail(name+" and "+name+"_FILE are both set", "keep one of them")
		return ""
	}
	text, err := readSecret(path)
	if err != nil {
		shown := name + "_FILE"
		if !isPastedKey(path) && (strings.Contains(path, "/") || len(path) < 2*maxShown) {
			shown += " " + problem.Quote(path)
		}
		r.fail(fmt.Sprintf("%s: %v", shown, err), "it must name a file that contains only the value")
		return ""
	}
	return text
}

// readSecret reads a small regular file.
func readSecret(path string) (string, error) {
	data, err := textfile.ReadAtMost(path, maxSecretFile)
	if err == nil {
		data, err = textfile.Clean(data)
	}
	if err != nil {
		return "", err
	}
	text := textfile.CutLineBreak(string(data))
	if strings.Trim(text, "\r\n") == "" {
		return "", fmt.Errorf("it is empty: %w", fs.ErrInvalid)
	}
	return text, nil
}

// listen returns the public addresses. Platforms set PORT. An operator sets
// GATEWAY_LISTEN, which has priority.
func (r *reader) listen() Addresses {
	if r.text("GATEWAY_LISTEN") != "" {
		return setting(r, "GATEWAY_LISTEN", nil, parseAddresses)
	}
	port := setting(r, "PORT", 8080, numberBetween(0, 65535))
	return Addresses{{Network: NetworkTCP, Name: ":" + strconv.Itoa(port)}}
}

// checkCombinations checks settings that depend on each other.
func (r *reader) checkCombinations(s Settings) {
	switch {
	case s.TLSCertFile != "" && s.TLSKeyFile == "":
		r.fail("GATEWAY_TLS_CERT_FILE is set without GATEWAY_TLS_KEY_FILE", "set both, or neither")
	case s.TLSKeyFile != "" && s.TLSCertFile == "":
		r.fail("GATEWAY_TLS_KEY_FILE is set without GATEWAY_TLS_CERT_FILE", "set both, or neither")
	case s.TLSCertFile != "" && s.TLSClientCAFile == "" && r.isSet("GATEWAY_TLS_CLIENT_CA_FILE"):
		// Empty counts as unset where that opens nothing.
		r.fail("GATEWAY_TLS_CLIENT_CA_FILE is empty", "unset it if clients need no certificate")
	case s.TLSClientCAFile != "" && s.TLSCertFile == "":
		r.fail("GATEWAY_TLS_CLIENT_CA_FILE is set without GATEWAY_TLS_CERT_FILE", "client certificates need TLS: set GATEWAY_TLS_CERT_FILE and GATEWAY_TLS_KEY_FILE too")
	}
	if s.FeedDatabaseURL.IsSet() && strings.HasPrefix(s.DatabaseURL.Reveal(), "sqlite:") {
		r.fail("GATEWAY_FEED_DATABASE_URL is set, but GATEWAY_DATABASE_URL is not a PostgreSQL URL", "both must name the same PostgreSQL database; SQLite needs no second URL")
	}
	if s.Listen.has(s.OpsListen) {
		r.fail("GATEWAY_OPS_LISTEN "+problem.Quote(s.OpsListen)+": the same address as GATEWAY_LISTEN", "give the operators' listener a port of its own")
	}
	r.checkRedirects(s)
	if s.TLSCertFile == "" && s.TLSKeyFile == "" && (r.isSet("GATEWAY_TLS_CERT_FILE") || r.isSet("GATEWAY_TLS_KEY_FILE")) {
		r.warn("GATEWAY_TLS_CERT_FILE and GATEWAY_TLS_KEY_FILE are empty: clients are served without TLS", "unset them if that is intended")
	}
	const weakCost = 10
	if s.BcryptCost < weakCost {
		r.warn(fmt.Sprintf("GATEWAY_BCRYPT_COST %q: passwords are quickly guessed from their hashes", strconv.Itoa(s.BcryptCost)), "12 outside of tests")
	}
}

// checkRedirects checks the listener that redirects to https.
func (r *reader) checkRedirects(s Settings) {
	if len(s.RedirectListen) == 0 {
		if s.RedirectPort != 0 {
			r.fail("GATEWAY_REDIRECT_PORT is set without GATEWAY_REDIRECT_LISTEN", "it is the port for https in the redirects of that listener")
		}
		return
	}
	if s.TLSCertFile == "" {
		r.fail("GATEWAY_REDIRECT_LISTEN is set without GATEWAY_TLS_CERT_FILE", "it redirects to https, which needs TLS: set GATEWAY_TLS_CERT_FILE and GATEWAY_TLS_KEY_FILE too")
	}
	for _, address := range s.RedirectListen {
		other := "GATEWAY_LISTEN"
		if address.Network == NetworkTCP && address.Name == s.OpsListen && !strings.HasSuffix(s.OpsListen, ":0") {
			other = "GATEWAY_OPS_LISTEN"
		} else if !s.Listen.has(address.Name) && !slices.ContainsFunc(s.Listen, func(l Address) bool {
			return l.Network == address.Network && l.Name == address.Name && l.Network != NetworkTCP
		}) {
			continue
		}
		r.fail("GATEWAY_REDIRECT_LISTEN "+problem.Quote(address.String())+": the same address as "+other, "give it an address of its own, such as :80")
	}
}

// parseAddress parses a host:port to listen on.
func parseAddress(text string) (string, *problem.Fault) {
	if kind, _, _ := strings.Cut(text, ":"); kind == string(NetworkUnix) || kind == string(NetworkSystemd) || strings.Contains(text, ",") {
		return "", &problem.Fault{Reason: "not one address", Hint: "host:port, such as 127.0.0.1:8081; only GATEWAY_LISTEN and GATEWAY_REDIRECT_LISTEN may be a list, or have other sockets"}
	}
	return parseAddressOf(text, text)
}

// parseAddressOf parses an address that is the text of a setting, or a part of it.
func parseAddressOf(text, setting string) (string, *problem.Fault) {
	if _, err := strconv.ParseUint(text, 10, 16); err == nil {
		return "", &problem.Fault{Reason: "not an address", Write: ":" + text}
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", &problem.Fault{Reason: "not an address", Hint: "host:port, such as :8080 or 127.0.0.1:8080"}
	}
	if _, f := numberBetween(0, 65535)(port); f != nil {
		shown := "port"
		if len(setting) == len(text) || len(setting) <= maxShown {
			shown, _ = shownSetting("port", port)
		}
		return "", &problem.Fault{Reason: shown + " is not between 0 and 65535"}
	}
	if host != "" {
		if f := value.CheckHost(host); f != nil {
			return "", f
		}
	}
	return text, nil
}

func parseLevel(text string) (slog.Level, *problem.Fault) {
	switch strings.ToLower(text) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error", "critical":
		return slog.LevelError, nil
	}
	return 0, problem.OneOf("level", strings.ToLower(text), "debug", "info", "warn", "error")
}

func parseLogFormat(text string) (LogFormat, *problem.Fault) {
	return LogFormat(text), problem.OneOf("format", text, string(LogJSON), string(LogText))
}

func parseTransport(text string) (TransportKind, *problem.Fault) {
	return TransportKind(text), problem.OneOf("transport", text, string(TransportLean), string(TransportStandard))
}

func parseSwitch(text string) (bool, *problem.Fault) {
	switch strings.ToLower(text) {
	case "on", "true":
		return true, nil
	case "off", "false":
		return false, nil
	}
	return false, &problem.Fault{Reason: "must be on or off"}
}

// durationFrom returns a parser for a duration of at least least.
func durationFrom(least time.Duration) func(string) (time.Duration, *problem.Fault) {
	return func(text string) (time.Duration, *problem.Fault) {
		value, f := value.ParseDuration(text)
		if f == nil && value < least {
			f = &problem.Fault{Reason: "too short", Hint: "at least " + least.String()}
		}
		return value, f
	}
}

// leastConnectionTime prevents constant reconnecting.
const leastConnectionTime = 100 * time.Millisecond

// noneOrFrom returns a parser for 0, which means no bound, or a duration of at
// least least.
func noneOrFrom(least time.Duration) func(string) (time.Duration, *problem.Fault) {
	return func(text string) (time.Duration, *problem.Fault) {
		value, f := value.ParseDuration(text)
		if f == nil && value != 0 && value < least {
			f = &problem.Fault{Reason: "too short", Hint: "at least " + least.String() + ", or 0 for no bound"}
		}
		return value, f
	}
}

// numberBetween returns a parser for a whole number within bounds, both
// included.
func numberBetween(least, most int) func(string) (int, *problem.Fault) {
	return func(text string) (int, *problem.Fault) {
		value, err := strconv.Atoi(text)
		if err != nil || strconv.Itoa(value) != text {
			return 0, &problem.Fault{Reason: "not a whole number", Hint: fmt.Sprintf("between %d and %d", least, most)}
		}
		if value < least || value > most {
			return 0, &problem.Fault{Reason: fmt.Sprintf("not between %d and %d", least, most)}
		}
		return value, nil
	}
}
