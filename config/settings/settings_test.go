// Tests of the settings, and that no secret leaves them.

package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/config/problem"
	"gatehouse/internal/testkit"
)

const goodSecret = "q8Zk2mXw7rTn5vBc9yLd3fHs6jPa1gUe4oIxR0"

// load loads settings from a fixed environment.
func load(variables map[string]string) (Settings, error) { return Load(testkit.Lookup(variables)) }

func TestSettingsDefaults(t *testing.T) {
	s, err := load(nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Listen.String() != ":8080" || s.OpsListen != "127.0.0.1:8081" || s.LogLevel != slog.LevelInfo || s.LogFormat != LogJSON || s.Transport != TransportLean ||
		s.JWTAlgorithm != "HS256" || s.TokenTTL != 24*time.Hour || s.DatabaseURL.Reveal() != "sqlite:gatehouse.db" || !s.Migrate ||
		s.DefaultCompanyID != uuid.Nil || s.MaxConnections != 0 || s.MaxKeepaliveConnections != 100 || s.BcryptCost != 12 ||
		s.IdleTimeout != 120*time.Second || s.BackendIdleTimeout != 90*time.Second || s.MaxConnectionAge != 5*time.Minute || s.ShutdownDelay != 0 || s.ShutdownTimeout != 30*time.Second || len(s.Warnings) != 0 {
		t.Errorf("got %+v", s)
	}
	if err := s.CheckSigning(); err == nil || !strings.Contains(err.Error(), "GATEWAY_JWT_SECRET is not set") {
		t.Errorf("signing without a secret: %v", err)
	}
}

func TestSettingsAll(t *testing.T) {
	s, err := load(map[string]string{
		"GATEWAY_LISTEN": "[::1]:80", "GATEWAY_OPS_LISTEN": ":9000", "PORT": "1", "GATEWAY_LOG_LEVEL": "WARNING", "GATEWAY_LOG_FORMAT": "text",
		"GATEWAY_JWT_SECRET": goodSecret, "GATEWAY_JWT_PREVIOUS_SECRETS": goodSecret + "1, " + goodSecret + "2", "GATEWAY_JWT_ALGORITHM": "HS256",
		"GATEWAY_TOKEN_TTL": "1h", "GATEWAY_DATABASE_URL": "postgres://u:p@db/gatehouse", "GATEWAY_MIGRATE": "off",
		"GATEWAY_FEED_DATABASE_URL":  "postgres://u:p@direct/gatehouse",
		"GATEWAY_DEFAULT_COMPANY_ID": "9b8f7e6d-5c4b-4a39-8877-665544332222", "GATEWAY_HTTP_CLIENT_MAX_CONNECTIONS": "200", "GATEWAY_TRANSPORT": "standard",
		"GATEWAY_HTTP_CLIENT_MAX_KEEPALIVE_CONNECTIONS": "50", "GATEWAY_BCRYPT_COST": "4", "GATEWAY_TLS_CERT_FILE": "c.pem",
		"GATEWAY_SECRET_KEYS_FILE": "keys", "GATEWAY_OPS_TOKEN": goodSecret + "==",
		"GATEWAY_TLS_KEY_FILE": "k.pem", "GATEWAY_IDLE_TIMEOUT": "620s", "GATEWAY_BACKEND_IDLE_TIMEOUT": "5s", "GATEWAY_MAX_CONNECTION_AGE": "0", "GATEWAY_SHUTDOWN_DELAY": "5s", "GATEWAY_SHUTDOWN_TIMEOUT": "1m",
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.Listen.String() != "[::1]:80" || s.OpsListen != ":9000" || s.LogLevel != slog.LevelWarn || s.LogFormat != LogText || s.JWTSecret.Reveal() != goodSecret ||
		len(s.JWTPreviousSecrets) != 2 || s.JWTPreviousSecrets[1].Reveal() != goodSecret+"2" || s.TokenTTL != time.Hour || s.Migrate ||
		s.FeedDatabaseURL.Reveal() != "postgres://u:p@direct/gatehouse" ||
		s.DefaultCompanyID == uuid.Nil || s.MaxConnections != 200 || s.Transport != TransportStandard || s.MaxKeepaliveConnections != 50 || s.BcryptCost != 4 ||
		s.SecretKeysFile != "keys" || s.OpsToken.Reveal() != goodSecret+"==" || s.TLSCertFile != "c.pem" || s.TLSKeyFile != "k.pem" || s.IdleTimeout != 620*time.Second || s.BackendIdleTimeout != 5*time.Second || s.MaxConnectionAge != 0 || s.ShutdownDelay != 5*time.Second || s.ShutdownTimeout != time.Minute {
		t.Errorf("got %+v", s)
	}
	if len(s.Warnings) != 1 || s.CheckSigning() != nil {
		t.Errorf("warnings %v, signing %v", s.Warnings, s.CheckSigning())
	}
}

func TestSettingsChanged(t *testing.T) {
	for _, c := range []struct {
		variables map[string]string
		want      string
	}{
		{nil, "[]"},
		{map[string]string{"GATEWAY_JWT_PRIVATE_KEY_FILE": "key.pem"}, "[GATEWAY_JWT_PRIVATE_KEY_FILE=key.pem]"},
		{map[string]string{"GATEWAY_LISTEN": ":8080", "GATEWAY_IDLE_TIMEOUT": "2m"}, "[]"}, // said, and no different
		{
			map[string]string{"PORT": "9", "GATEWAY_JWT_SECRET": goodSecret, "GATEWAY_MIGRATE": "off", "GATEWAY_BCRYPT_COST": "4"},
			"[GATEWAY_LISTEN=:9 GATEWAY_JWT_SECRET=" + problem.Redacted + " GATEWAY_MIGRATE=off GATEWAY_BCRYPT_COST=4]",
		},
	} {
		s, err := load(c.variables)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(s.Changed()); got != c.want {
			t.Errorf("%v: %s, want %s", c.variables, got, c.want)
		}
	}
}

// TestListenAddresses reads every kind of address, and writes it as it was.
func TestListenAddresses(t *testing.T) {
	for text, want := range map[string]Addresses{
		":80, [::1]:81":            {{Network: NetworkTCP, Name: ":80"}, {Network: NetworkTCP, Name: "[::1]:81"}},
		"127.0.0.1:0, 127.0.0.1:0": {{Network: NetworkTCP, Name: "127.0.0.1:0"}, {Network: NetworkTCP, Name: "127.0.0.1:0"}},
		"unix:/run/a.sock, unix:/b|0222, unix:@c": {
			{Network: NetworkUnix, Name: "/run/a.sock", Mode: 0o600}, {Network: NetworkUnix, Name: "/b", Mode: 0o222}, {Network: NetworkUnix, Name: "@c", Mode: 0o600},
		},
		"systemd, systemd:web": {{Network: NetworkSystemd}, {Network: NetworkSystemd, Name: "web"}},
		"systemd:80":           {{Network: NetworkTCP, Name: "systemd:80"}}, // a host
		"unix:/run/a":          {{Network: NetworkUnix, Name: "/run/a", Mode: 0o600}},
	} {
		for _, written := range []string{text, strings.ReplaceAll(text, ", ", ","), strings.ReplaceAll(text, ", ", "  "), strings.ReplaceAll(text, "/run/", "///b/../run//")} {
			s, err := load(map[string]string{"GATEWAY_LISTEN": written})
			if err != nil || !slices.Equal(s.Listen, want) || s.Listen.String() != text {
				t.Errorf("%q: %v, %v; want %v", written, s.Listen, err, want)
			}
		}
	}
}

// FuzzListenAddresses writes what was read, and reads it again.
func FuzzListenAddresses(f *testing.F) {
	for _, text := range []string{":80, [::1]:81", "unix:/run/a.sock|0660 unix:@c", "systemd, systemd:web", "unix:///a//b/../c", "*:80", "fd://3", "unix:/ |777", "tcp://a:1", "systemd:a:b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read, fault := parseAddresses(text)
		if fault != nil {
			if fault.Reason == "" {
				t.Errorf("%q has no reason", text)
			}
			return
		}
		again, fault := parseAddresses(read.String())
		if fault != nil || !slices.Equal(read, again) {
			t.Errorf("%q is read as %v; written as %q it is %v, %v", text, read, read.String(), again, fault)
		}
	})
}

const strayAtMessage = "GATEWAY_DATABASE_URL has an @ in the wrong place (percent-encode / ? # @ in the password)"

// An invalid value is not shown either.
func TestAttrsHideWhatIsPasted(t *testing.T) {
	for _, s := range []Settings{
		{DatabaseURL: NewSecret("postgres://user:12/34hunter2@h/db")},
		{DatabaseURL: NewSecret("postgres://user:12?34hunter2@h/db")},
		{DatabaseURL: NewSecret("postgres://user:12#34hunter2@h/db")},
		{JWTPrivateKeyFile: "-----BEGIN PRIVATE KEY-----hunter2"},
		{TLSKeyFile: "MII\nhunter2"},
	} {
		if text := fmt.Sprint(s.Attrs()); strings.Contains(text, "hunter2") || strings.Contains(text, "user:12") || !strings.Contains(text, problem.Redacted) {
			t.Error(text)
		}
	}
}

// Every bad value has a message of its own.
func TestSettingsRefuse(t *testing.T) {
	tests := []struct {
		variables map[string]string
		want      string
	}{
		{map[string]string{"GATEWAY_LISTEN": "8080"}, `GATEWAY_LISTEN "8080": not an address (write :8080)`},
		{map[string]string{"GATEWAY_LISTEN": "a:b:c"}, `GATEWAY_LISTEN "a:b:c": not an address (host:port, such as :8080 or 127.0.0.1:8080)`},
		{map[string]string{"GATEWAY_LISTEN": ":http"}, `GATEWAY_LISTEN ":http": port "http" is not between 0 and 65535`},
		{map[string]string{"GATEWAY_REDIRECT_LISTEN": ":80"}, "GATEWAY_REDIRECT_LISTEN is set without GATEWAY_TLS_CERT_FILE (it redirects to https, which needs TLS: set GATEWAY_TLS_CERT_FILE and GATEWAY_TLS_KEY_FILE too)"},
		{map[string]string{"GATEWAY_REDIRECT_PORT": "443"}, "GATEWAY_REDIRECT_PORT is set without GATEWAY_REDIRECT_LISTEN (it is the port for https in the redirects of that listener)"},
		{
			map[string]string{"GATEWAY_REDIRECT_LISTEN": ":8080", "GATEWAY_TLS_CERT_FILE": "c", "GATEWAY_TLS_KEY_FILE": "k"},
			`GATEWAY_REDIRECT_LISTEN ":8080": the same address as GATEWAY_LISTEN (give it an address of its own, such as :80)`,
		},
		{map[string]string{"GATEWAY_LISTEN": ","}, `GATEWAY_LISTEN ",": no address (host:port, such as :8080)`},
		{map[string]string{"GATEWAY_LISTEN": ":1, :1"}, `GATEWAY_LISTEN ":1, :1": one address is listed twice`},
		{map[string]string{"GATEWAY_LISTEN": ":1 8080"}, `GATEWAY_LISTEN ":1 8080": not an address (write :8080)`},
		{map[string]string{"GATEWAY_LISTEN": "unix:a"}, `GATEWAY_LISTEN "unix:a": not the path of a unix socket (an absolute path, such as unix:/run/gatehouse/gatehouse.sock, or unix:@name)`},
		{map[string]string{"GATEWAY_LISTEN": "unix:/" + strings.Repeat("a", 107)}, `GATEWAY_LISTEN: the path of the unix socket is too long (at most 107 bytes)`},
		{map[string]string{"GATEWAY_LISTEN": "unix:/a|9"}, `GATEWAY_LISTEN "unix:/a|9": not the mode of a unix socket (octal digits, such as unix:/run/gatehouse/gatehouse.sock|0660)`},
		{map[string]string{"GATEWAY_LISTEN": "unix:/a:0660"}, `GATEWAY_LISTEN: not the path of a unix socket (the mode follows a |, such as unix:/run/gatehouse/gatehouse.sock|0660)`},
		{map[string]string{"GATEWAY_LISTEN": "unix:@a|0600"}, `GATEWAY_LISTEN: an abstract unix socket has no mode`},
		{map[string]string{"GATEWAY_LISTEN": "unix//a"}, `GATEWAY_LISTEN "unix//a": not an address (a unix socket is unix:/path, such as unix:/run/gatehouse/gatehouse.sock)`},
		{map[string]string{"GATEWAY_LISTEN": "fd/3"}, `GATEWAY_LISTEN "fd/3": not an address (sockets of systemd are systemd, or systemd:NAME for those with that FileDescriptorName)`},
		{map[string]string{"GATEWAY_LISTEN": "unix:/a, unix:/b/../a"}, `GATEWAY_LISTEN: one address is listed twice`},
		{map[string]string{"GATEWAY_LISTEN": "unix://a/b"}, `GATEWAY_LISTEN "unix://a/b": not the path of a unix socket (one slash, such as unix:/run/gatehouse/gatehouse.sock)`},
		{map[string]string{"GATEWAY_LISTEN": "unix:/."}, `GATEWAY_LISTEN "unix:/.": not the path of a unix socket (an absolute path, such as unix:/run/gatehouse/gatehouse.sock, or unix:@name)`},
		{map[string]string{"GATEWAY_LISTEN": "tcp://:80"}, `GATEWAY_LISTEN "tcp://:80": not an address (host:port without a scheme, such as :8080)`},
		{map[string]string{"GATEWAY_LISTEN": "*:80"}, `GATEWAY_LISTEN "*:80": not an address (write :80)`},
		{map[string]string{"GATEWAY_LISTEN": "systemd:a:b"}, `GATEWAY_LISTEN: a FileDescriptorName has no colon (such as systemd:public)`},
		{map[string]string{"GATEWAY_LISTEN": "systemd:"}, `GATEWAY_LISTEN "systemd:": no name after systemd: (systemd alone means all its sockets)`},
		{map[string]string{"GATEWAY_LISTEN": "127.0.0.1:80, :8081", "GATEWAY_OPS_LISTEN": ":8081"}, `GATEWAY_OPS_LISTEN ":8081": the same address as GATEWAY_LISTEN (give the operators' listener a port of its own)`},
		{map[string]string{"PORT": "99999"}, `PORT "99999": not between 0 and 65535`},
		{map[string]string{"GATEWAY_OPS_LISTEN": "unix:/a"}, `GATEWAY_OPS_LISTEN "unix:/a": not one address (host:port, such as 127.0.0.1:8081; only GATEWAY_LISTEN and GATEWAY_REDIRECT_LISTEN may be a list, or have other sockets)`},
		{map[string]string{"GATEWAY_OPS_LISTEN": ":1,:2"}, `GATEWAY_OPS_LISTEN ":1,:2": not one address (host:port, such as 127.0.0.1:8081; only GATEWAY_LISTEN and GATEWAY_REDIRECT_LISTEN may be a list, or have other sockets)`},
		{map[string]string{"GATEWAY_REDIRECT_LISTEN": "80", "GATEWAY_TLS_CERT_FILE": "c", "GATEWAY_TLS_KEY_FILE": "k"}, `GATEWAY_REDIRECT_LISTEN "80": not an address (write :80)`},
		{map[string]string{"GATEWAY_OPS_LISTEN": ":8080"}, `GATEWAY_OPS_LISTEN ":8080": the same address as GATEWAY_LISTEN (give the operators' listener a port of its own)`},
		{map[string]string{"GATEWAY_LOG_LEVEL": "wran"}, `GATEWAY_LOG_LEVEL "wran": unknown level (did you mean "warn"?)`},
		{map[string]string{"GATEWAY_LOG_FORMAT": "xml"}, `GATEWAY_LOG_FORMAT "xml": unknown format (one of json, text)`},
		{map[string]string{"GATEWAY_JWT_SECRET": "Zk2mXw7rTn5"}, "GATEWAY_JWT_SECRET has 11 bytes; it needs at least 32 (use random bytes, such as `openssl rand -base64 48` gives)"},
		{map[string]string{"GATEWAY_JWT_SECRET": goodSecret, "GATEWAY_JWT_ALGORITHM": "HS384"}, "GATEWAY_JWT_SECRET has 38 bytes; it needs at least 48 (use random bytes, such as `openssl rand -base64 48` gives)"},
		{map[string]string{"GATEWAY_JWT_PREVIOUS_SECRETS": goodSecret + ",change-me-please"}, "GATEWAY_JWT_PREVIOUS_SECRETS, number 2, is a well-known default (anybody could sign with it: drop it)"},
		{map[string]string{"GATEWAY_JWT_ALGORITHM": "none"}, `GATEWAY_JWT_ALGORITHM "none": unknown algorithm (one of HS256, HS384, HS512)`},
		{map[string]string{"GATEWAY_JWT_ALGORITHM": "RS256"}, `GATEWAY_JWT_ALGORITHM "RS256": does not fit the key (it needs a key pair: set GATEWAY_JWT_PRIVATE_KEY_FILE)`},
		{map[string]string{"GATEWAY_JWT_ALGORITHM": "HS256", "GATEWAY_JWT_PRIVATE_KEY_FILE": "k.pem"}, `GATEWAY_JWT_ALGORITHM "HS256": does not fit the key (with GATEWAY_JWT_PRIVATE_KEY_FILE it is one of RS256, ES256, EdDSA)`},
		{map[string]string{"GATEWAY_TOKEN_TTL": "30s"}, `GATEWAY_TOKEN_TTL "30s": too short (at least 1m0s)`},
		{map[string]string{"GATEWAY_TOKEN_TTL": "3600"}, `GATEWAY_TOKEN_TTL "3600": a duration needs a unit (write 3600s)`},
		{map[string]string{"GATEWAY_DATABASE_URL": "mysql://u:hunter2@db/x"}, "GATEWAY_DATABASE_URL is neither postgres://… nor sqlite:… (postgres://user:password@host:5432/database or sqlite:gatehouse.db)"},
		{map[string]string{"GATEWAY_DATABASE_URL": "postgresql+asyncpg://u:hunter2@db/x"}, "GATEWAY_DATABASE_URL names a driver in its scheme (begin with postgres://)"},
		{map[string]string{"GATEWAY_DATABASE_URL": "postgres://u:hunter2%@db/x"}, "GATEWAY_DATABASE_URL is not a valid URL (postgres://user:password@host:5432/database or sqlite:gatehouse.db; percent-encode special characters in the password)"},
		{map[string]string{"GATEWAY_DATABASE_URL": "postgres:///x"}, "GATEWAY_DATABASE_URL has no host (postgres://user:password@host:5432/database or sqlite:gatehouse.db)"},
		{map[string]string{"GATEWAY_DATABASE_URL": "sqlite:"}, "GATEWAY_DATABASE_URL names no file (such as sqlite:gatehouse.db)"},
		{map[string]string{"GATEWAY_FEED_DATABASE_URL": "postgres://u:hunter2@db/x"}, "GATEWAY_FEED_DATABASE_URL is set, but GATEWAY_DATABASE_URL is not a PostgreSQL URL (both must name the same PostgreSQL database; SQLite needs no second URL)"},
		{map[string]string{"GATEWAY_DATABASE_URL": "postgres://u@db/x", "GATEWAY_FEED_DATABASE_URL": "sqlite:hunter2"}, "GATEWAY_FEED_DATABASE_URL is not a PostgreSQL URL (the same database as GATEWAY_DATABASE_URL, without the pooler)"},
		{map[string]string{"GATEWAY_DATABASE_URL": "postgres://u@db/x", "GATEWAY_FEED_DATABASE_URL": "postgres://u:x/hunter2@db/x"}, "GATEWAY_FEED_DATABASE_URL has an @ in the wrong place (percent-encode / ? # @ in the password)"},
		{map[string]string{"GATEWAY_DATABASE_URL": "sqlite:x", "GATEWAY_POSTGRES_DB": "x"}, "GATEWAY_DATABASE_URL is set, and so is GATEWAY_POSTGRES_DB (name the database in one of the two ways)"},
		{map[string]string{"GATEWAY_POSTGRES_USER": "u", "GATEWAY_POSTGRES_PASSWORD": "hunter2", "GATEWAY_POSTGRES_DB": "x"}, "GATEWAY_POSTGRES_SERVER is not set (the other GATEWAY_POSTGRES_… are; or set GATEWAY_DATABASE_URL alone)"},
		{map[string]string{"GATEWAY_DEFAULT_COMPANY_ID": "acme"}, `GATEWAY_DEFAULT_COMPANY_ID "acme": not a UUID (it looks like 9b8f7e6d-5c4b-4a39-8877-665544332222)`},
		{map[string]string{"GATEWAY_HTTP_CLIENT_MAX_CONNECTIONS": "many"}, `GATEWAY_HTTP_CLIENT_MAX_CONNECTIONS "many": not a whole number (between 0 and 1000000)`},
		{map[string]string{"GATEWAY_HTTP_CLIENT_MAX_KEEPALIVE_CONNECTIONS": "-1"}, `GATEWAY_HTTP_CLIENT_MAX_KEEPALIVE_CONNECTIONS "-1": not between 0 and 1000000`},
		{map[string]string{"GATEWAY_BCRYPT_COST": "31"}, `GATEWAY_BCRYPT_COST "31": not between 4 and 16`},
		{map[string]string{"GATEWAY_TLS_CERT_FILE": "c.pem"}, "GATEWAY_TLS_CERT_FILE is set without GATEWAY_TLS_KEY_FILE (set both, or neither)"},
		{map[string]string{"GATEWAY_TLS_KEY_FILE": "k.pem"}, "GATEWAY_TLS_KEY_FILE is set without GATEWAY_TLS_CERT_FILE (set both, or neither)"},
		{map[string]string{"GATEWAY_SECRET_KEYS_FILE": "hunter2\nhunter3"}, "GATEWAY_SECRET_KEYS_FILE is not a path (want the path of a file with one key a line, not a key)"},
		{map[string]string{"GATEWAY_OPS_TOKEN": "hunter2-1"}, "GATEWAY_OPS_TOKEN has 9 bytes; it needs at least 16 (use random bytes, such as `openssl rand -base64 24` gives)"},
		{map[string]string{"GATEWAY_OPS_TOKEN": "change-me-change-me"}, "GATEWAY_OPS_TOKEN is a well-known default (use random bytes, such as `openssl rand -base64 24` gives)"},
		{map[string]string{"GATEWAY_OPS_TOKEN": goodSecret + " " + goodSecret[:3]}, "GATEWAY_OPS_TOKEN has characters that no bearer token has (use random bytes, such as `openssl rand -base64 24` gives)"},
		{map[string]string{"GATEWAY_SHUTDOWN_DELAY": "-1s"}, `GATEWAY_SHUTDOWN_DELAY "-1s": a duration cannot be negative (0 means no bound)`},
		{map[string]string{"GATEWAY_BACKEND_IDLE_TIMEOUT": "0s"}, `GATEWAY_BACKEND_IDLE_TIMEOUT "0s": too short (at least 100ms)`},
		{map[string]string{"GATEWAY_MAX_CONNECTION_AGE": "1ms"}, `GATEWAY_MAX_CONNECTION_AGE "1ms": too short (at least 100ms, or 0 for no bound)`},
		{map[string]string{"GATEWAY_IDLE_TIMEOUT": "0s"}, `GATEWAY_IDLE_TIMEOUT "0s": too short (at least 1s)`},
		{map[string]string{"GATEWAY_SHUTDOWN_TIMEOUT": "x"}, `GATEWAY_SHUTDOWN_TIMEOUT "x": not a duration (write a number and a unit: ms, s, m or h)`},
		{map[string]string{"GATEWAY_TRANSPORT": "fast"}, `GATEWAY_TRANSPORT "fast": unknown transport (one of lean, standard)`},
		{map[string]string{"GATEWAY_MIGRATE": "maybe"}, `GATEWAY_MIGRATE "maybe": must be on or off`},
		{map[string]string{"GATEWAY_JWT_SECRET_FILE": "/nowhere", "GATEWAY_JWT_SECRET": goodSecret}, "GATEWAY_JWT_SECRET and GATEWAY_JWT_SECRET_FILE are both set (keep one of them)"},
		{map[string]string{"GATEWAY_JWT_SECRET_FILE": "/nowhere"}, `GATEWAY_JWT_SECRET_FILE "/nowhere": no such file or directory (it must name a file that contains only the value)`},
		{map[string]string{"GATEWAY_DATABASE_URL": "postgres://user:12/34s3cret@127.0.0.1:1/db"}, strayAtMessage},
		{map[string]string{"GATEWAY_DATABASE_URL": "postgres://user:12?34s3cret@127.0.0.1:1/db"}, strayAtMessage},
		{map[string]string{"GATEWAY_DATABASE_URL": "postgres://user:12#34s3cret@127.0.0.1:1/db"}, strayAtMessage},
		{map[string]string{"GATEWAY_DATABASE_URL": "postgres://user:x/34s3cret@127.0.0.1:1/db"}, strayAtMessage},
		{map[string]string{"GATEWAY_JWT_PRIVATE_KEY_FILE": "-----BEGIN PRIVATE KEY-----\\nMIIhunter2"}, "GATEWAY_JWT_PRIVATE_KEY_FILE is not a path (want the path of a PEM file, not the key itself)"},
		{map[string]string{"GATEWAY_TLS_KEY_FILE": "MII\nhunter2", "GATEWAY_TLS_CERT_FILE": "c.pem"}, "GATEWAY_TLS_KEY_FILE is not a path (want the path of a PEM file, not the key itself)"},
		{map[string]string{"GATEWAY_JWT_ALGORITHM": "correct horse battery"}, "GATEWAY_JWT_ALGORITHM: unknown algorithm (one of HS256, HS384, HS512)"},
		{map[string]string{"GATEWAY_LISTEN": ":correct horse battery"}, "GATEWAY_LISTEN: port is not between 0 and 65535"},
		{map[string]string{"GATEWAY_JWT_SECRET_FILE": "correcthorsebatterystaple"}, "GATEWAY_JWT_SECRET_FILE: no such file or directory (it must name a file that contains only the value)"},
		{map[string]string{"GATEWAY_JWT_SECRET_FILE": "a/b\nc"}, "GATEWAY_JWT_SECRET_FILE: no such file or directory (it must name a file that contains only the value)"},
	}
	all := map[string]string{}
	for _, test := range tests {
		_, err := load(test.variables)
		if err == nil || err.Error() != test.want {
			t.Errorf("%v\n got %v\nwant %s", test.variables, err, test.want)
		}
		if len(test.variables) == 1 {
			maps.Copy(all, test.variables)
		}
	}
	_, err := load(all)
	var problems problem.List
	if !errors.As(err, &problems) || len(problems) < 15 {
		t.Errorf("only %d of all problems at once:\n%v", len(problems), err)
	}
}

func TestPlaceholderSecrets(t *testing.T) {
	for _, secret := range []string{
		"YOUR_DEFAULT_JWT_SECRET_KEY_CHANGE_ME_IN_ENV_OR_SECRET", "change-me-change-me-change-me-change-me", strings.Repeat("a", 64),
		strings.Repeat("secret", 8), strings.Repeat("12345678", 8), "your-super-secret-jwt-key-that-is-long-enough", "please_CHANGE.ME_please_please_please",
	} {
		if _, err := load(map[string]string{"GATEWAY_JWT_SECRET": secret}); err == nil || !strings.Contains(err.Error(), "well-known default") {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

func TestPostgresParts(t *testing.T) {
	s, err := load(map[string]string{
		"GATEWAY_POSTGRES_USER": "ga:te", "GATEWAY_POSTGRES_PASSWORD": "p@ss/w:rd?#%", "GATEWAY_POSTGRES_SERVER": "db.internal", "GATEWAY_POSTGRES_DB": "gate house",
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = "postgres://ga%3Ate:p%40ss%2Fw%3Ard%3F%23%25@db.internal:5432/gate%20house"
	if got := s.DatabaseURL.Reveal(); got != want {
		t.Errorf("got %s", got)
	}
}

func TestSecretFiles(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "secrets")
	testkit.WriteFile(t, path, goodSecret+"1\n"+goodSecret+",2\r\n")
	s, err := load(map[string]string{"GATEWAY_JWT_PREVIOUS_SECRETS_FILE": path})
	if err != nil || len(s.JWTPreviousSecrets) != 2 || s.JWTPreviousSecrets[1].Reveal() != goodSecret+",2" {
		t.Errorf("%v", err)
	}
	testkit.WriteFile(t, path, goodSecret+"\r\n")
	s, err = load(map[string]string{"GATEWAY_JWT_SECRET_FILE": path})
	if err != nil || s.JWTSecret.Reveal() != goodSecret {
		t.Errorf("%v", err)
	}
	// A byte order mark and a line break from an editor are not part of a
	// secret; a second line break is.
	for content, want := range map[string]string{
		goodSecret: goodSecret, "\ufeff" + goodSecret + "\r\n": goodSecret, "\ufeff" + goodSecret: goodSecret,
		goodSecret + "\n\n": goodSecret + "\n", goodSecret + "\r": goodSecret + "\r",
	} {
		testkit.WriteFile(t, path, content)
		if s, err := load(map[string]string{"GATEWAY_JWT_SECRET_FILE": path}); err != nil || s.JWTSecret.Reveal() != want {
			t.Errorf("%q: %v", content, err)
		}
	}
	for _, content := range []string{"", "\ufeff", "\ufeff\r\n", "\xff\xfea\x00b\x00"} {
		testkit.WriteFile(t, path, content)
		if _, err := load(map[string]string{"GATEWAY_JWT_SECRET_FILE": path}); err == nil {
			t.Errorf("%q is taken", content)
		}
	}
	testkit.WriteFile(t, path, goodSecret+"\n")
	if s, err := load(map[string]string{"GATEWAY_OPS_TOKEN_FILE": path}); err != nil || s.OpsToken.Reveal() != goodSecret {
		t.Error(err)
	}
	testkit.WriteFile(t, path, "")
	for _, bad := range []string{path, folder} {
		if _, err := load(map[string]string{"GATEWAY_DATABASE_URL_FILE": bad}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// No way of printing or encoding settings shows a secret.
func TestSecretsStayHidden(t *testing.T) {
	const password = "hunter2"
	s, err := load(map[string]string{
		"GATEWAY_JWT_SECRET": goodSecret, "GATEWAY_JWT_PREVIOUS_SECRETS": goodSecret + "old", "GATEWAY_OPS_TOKEN": goodSecret,
		"GATEWAY_DATABASE_URL":      "postgres://me:" + password + "@db:5432/gatehouse?password=" + password,
		"GATEWAY_FEED_DATABASE_URL": "postgres://me:" + password + "@direct:5432/gatehouse?password=" + password,
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	nested := struct{ inner Settings }{s}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb+verb+"\n", s, &s, s.JWTSecret, nested)
	}
	encoded, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	logger := slog.New(slog.NewJSONHandler(&out, nil))
	logger.Info("start", "settings", s, "secret", s.JWTSecret, "url", s.DatabaseURL)
	slog.New(slog.NewTextHandler(&out, nil)).LogAttrs(t.Context(), slog.LevelInfo, "start", s.Attrs()...)
	for _, secret := range []string{goodSecret, fmt.Sprintf("%x", goodSecret), password} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is shown", secret)
		}
	}
	if !strings.Contains(out.String(), "postgres://me@db:5432/gatehouse") {
		t.Error("the log does not say which database it is")
	}
}

func TestUnknown(t *testing.T) {
	names := []string{
		"GATEWAY_JWT_SECERT=hunter2", "GATEWAY_LISTNE", "GATEWAY_JWT_SECRET", "GATEWAY_JWT_SECRET_FILE", "GATEWAY_INGEST_SERVICE_URL",
		"GATEWAY_HTTP_CLIENT_TIMEOUT", "GATEWAY_PORT", "GATEWAY_SERVICE_HOST", "HOME", "PORTS", "GATEWAY_POSTGRES_PASSWORD_FILE",
	}
	got := Unknown(names).Error()
	want := "warning: GATEWAY_JWT_SECERT is not a setting (did you mean GATEWAY_JWT_SECRET?)\n" +
		"warning: GATEWAY_LISTNE is not a setting (did you mean GATEWAY_LISTEN?)"
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestEnvironmentFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".env")
	process := testkit.Lookup(map[string]string{"A": "real", "EMPTY": ""})
	lookup, err := Environment(path, process)
	if err != nil {
		t.Fatal(err)
	}
	if value, found := lookup("A"); value != "real" || !found {
		t.Errorf("without a file: %q", value)
	}
	testkit.WriteFile(t, path, "# ours\nA=file\nB='two words'\nEMPTY=file\n")
	lookup, err = Environment(path, process)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"A": "real", "B": "two words", "EMPTY": ""} {
		if value, found := lookup(name); value != want || !found {
			t.Errorf("%s = %q", name, value)
		}
	}
	if _, found := lookup("C"); found {
		t.Error("C is found")
	}
	testkit.WriteFile(t, path, "SECRET=hunter2\nhunter2 hunter2\n")
	if _, err = Environment(path, process); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a broken file: %v", err)
	}
	if _, err = Environment(filepath.Dir(path), process); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder: %v", err)
	}
}

// TestEmptySettings requires that an empty variable counts as unset, except
// where that would turn off a check of clients.
func TestEmptySettings(t *testing.T) {
	for name, test := range map[string]struct {
		set      map[string]string
		err      string
		warnings int
	}{
		"authorities": {
			map[string]string{"GATEWAY_TLS_CERT_FILE": "c", "GATEWAY_TLS_KEY_FILE": "k", "GATEWAY_TLS_CLIENT_CA_FILE": ""},
			"GATEWAY_TLS_CLIENT_CA_FILE is empty", 0,
		},
		"key":         {map[string]string{"GATEWAY_TLS_CERT_FILE": "c", "GATEWAY_TLS_KEY_FILE": ""}, "GATEWAY_TLS_CERT_FILE is set without", 0},
		"certificate": {map[string]string{"GATEWAY_TLS_CERT_FILE": "", "GATEWAY_TLS_KEY_FILE": "k"}, "GATEWAY_TLS_KEY_FILE is set without", 0},
		"all of TLS":  {map[string]string{"GATEWAY_TLS_CERT_FILE": "", "GATEWAY_TLS_KEY_FILE": "", "GATEWAY_TLS_CLIENT_CA_FILE": ""}, "", 1},
		"others": {
			map[string]string{"GATEWAY_LISTEN": "", "GATEWAY_TOKEN_TTL": "", "GATEWAY_JWT_PREVIOUS_SECRETS": "", "GATEWAY_DEFAULT_COMPANY_ID": ""},
			"", 0,
		},
	} {
		s, err := load(test.set)
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) || len(s.Warnings) != test.warnings {
			t.Errorf("%s: %v, warnings %v", name, err, s.Warnings)
		}
	}
}
