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

// Names of groups of files, equal to those of the settings.
const (
	certificateFiles = "GATEWAY_TLS_CERT_FILE and GATEWAY_TLS_KEY_FILE"
	authorityFile    = "GATEWAY_TLS_CLIENT_CA_FILE"
)

// certificate holds the public listener's certificate, and the authorities of
// client certificates, as last read from their files.
type certificate struct {
	certFile, keyFile string
	authoritiesFile   string // "" means that clients need no certificate
	live              atomic.Pointer[tls.Certificate]
	forClients        atomic.Pointer[tls.Config] // nil without authorities
	// onLoad is called with each pair when it begins to be served.
	onLoad func(*tls.Certificate)
}

// openCertificate reads the certificate of the settings, and follows its files.
// It returns nil when the settings name none.
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

// loadPair starts to serve the certificate and its key, if they fit together.
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

// loadAuthorities reads the authorities for client certificates. A session from
// the time of an authority that was removed is not resumed: crypto/tls checks
// its chain against the current authorities.
func (c *certificate) loadAuthorities(context.Context) error {
	pem, err := textfile.Read(c.authoritiesFile)
	if err != nil {
		return err
	}
	made := c.base()
	made.ClientAuth, made.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !made.ClientCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no PEM certificate", c.authoritiesFile)
	}
	c.forClients.Store(made)
	return nil
}

// config returns the TLS configuration of the public listener: TLS 1.2 or newer
// (Go's suites follow RFC 9325), with HTTP/2. When the settings name
// authorities, clients need a certificate from one of them.
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
		NextProtos:     []string{protocolHTTP2, "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.live.Load(), nil },
	}
}
