package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync/atomic"

	"gatehouse/config/settings"
	"gatehouse/config/textfile"
	"gatehouse/config/watch"
)

// Names of groups of files, which are those of the settings.
const (
	certificateFiles = "GATEWAY_TLS_CERT_FILE and GATEWAY_TLS_KEY_FILE"
	authorityFile    = "GATEWAY_TLS_CLIENT_CA_FILE"
)

// certificate is the public listener's own, with the authorities of its
// clients', as their files held them last.
type certificate struct {
	certFile, keyFile string
	authoritiesFile   string // "" asks clients for no certificate
	live              atomic.Pointer[tls.Certificate]
	forClients        atomic.Pointer[tls.Config] // nil without authorities
	// onLoad is told of each pair that is served from then on.
	onLoad func(*tls.Certificate)
}

// openCertificate reads the certificate of the settings, and follows its files
// from then on; nil without one.
func openCertificate(s settings.Settings, files *watch.Files, taken func(*tls.Certificate)) (*certificate, error) {
	if s.TLSCertFile == "" {
		return nil, nil
	}
	c := &certificate{certFile: s.TLSCertFile, keyFile: s.TLSKeyFile, authoritiesFile: s.TLSClientCAFile, onLoad: taken}
	files.Follow(watch.Group{Name: certificateFiles, Paths: []string{c.certFile, c.keyFile}, Apply: c.loadPair})
	if err := c.loadPair(context.Background()); err != nil {
		return nil, fmt.Errorf("read %s: %w", certificateFiles, err)
	}
	if c.authoritiesFile == "" {
		return c, nil
	}
	files.Follow(watch.Group{Name: authorityFile, Paths: []string{c.authoritiesFile}, Apply: c.loadAuthorities})
	if err := c.loadAuthorities(context.Background()); err != nil {
		return nil, fmt.Errorf("read %s: %w", authorityFile, err)
	}
	return c, nil
}

// loadPair serves the certificate and its key from now on, if they fit together.
func (c *certificate) loadPair(context.Context) error {
	cert, err := textfile.Read(c.certFile)
	if err != nil {
		return err
	}
	key, err := textfile.Read(c.keyFile)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return err
	}
	c.live.Store(&pair)
	c.onLoad(&pair)
	return nil
}

// loadAuthorities reads whose certificates clients need. A session that was
// begun under authorities that have gone is not resumed: crypto/tls looks for
// its chain among these.
func (c *certificate) loadAuthorities(context.Context) error {
	pem, err := textfile.Read(c.authoritiesFile)
	if err != nil {
		return err
	}
	made := c.base()
	made.NextProtos = []string{"h2", "http/1.1"} // net/http adds them to its own configuration alone
	made.ClientAuth, made.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !made.ClientCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no PEM certificate", c.authoritiesFile)
	}
	c.forClients.Store(made)
	return nil
}

// config is the TLS of the public listener: 1.2 or newer, whose suites in Go are
// those of RFC 9325, with HTTP/2, and, where the settings name authorities, with
// a client certificate of theirs.
func (c *certificate) config() *tls.Config {
	made := c.base()
	if first := c.forClients.Load(); first != nil {
		made.ClientAuth, made.ClientCAs = first.ClientAuth, first.ClientCAs
		made.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.forClients.Load(), nil }
	}
	return made
}

func (c *certificate) base() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.live.Load(), nil },
	}
}
