package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"gatehouse/config"
)

// certificatePoll is how often a renewed certificate is looked for.
const certificatePoll = 5 * time.Second

// certificate is the public listener's own, as its files hold it now.
type certificate struct {
	certFile, keyFile string
	live              atomic.Pointer[tls.Certificate]
	cert, key         []byte // what live was made of
}

// loadCertificate reads the certificate of the settings; nil without one.
func loadCertificate(s config.Settings) (*certificate, error) {
	if s.TLSCertFile == "" {
		return nil, nil
	}
	c := &certificate{certFile: s.TLSCertFile, keyFile: s.TLSKeyFile}
	if _, err := c.read(); err != nil {
		return nil, fmt.Errorf("read GATEWAY_TLS_CERT_FILE and GATEWAY_TLS_KEY_FILE: %w", err)
	}
	return c, nil
}

// read takes the files over if they have changed and fit together.
func (c *certificate) read() (changed bool, err error) {
	cert, err := os.ReadFile(c.certFile)
	if err != nil {
		return false, err
	}
	key, err := os.ReadFile(c.keyFile)
	if err != nil {
		return false, err
	}
	if bytes.Equal(cert, c.cert) && bytes.Equal(key, c.key) {
		return false, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return false, err
	}
	c.live.Store(&pair)
	c.cert, c.key = cert, key
	return true, nil
}

// watch takes renewed files over until the context ends. While they do not fit
// together, as between two writes, the last good ones are used.
func (c *certificate) watch(ctx context.Context, poll time.Duration, log *slog.Logger) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch changed, err := c.read(); {
		case err != nil && err.Error() != said:
			said = err.Error()
			log.WarnContext(ctx, "the renewed certificate cannot be used: the last good one is", "error", said)
		case changed:
			said = ""
			log.InfoContext(ctx, "certificate renewed", "not_after", c.live.Load().Leaf.NotAfter.Format(time.RFC3339))
		}
	}
}

// config is the TLS of the public listener: 1.2 or newer, whose suites in Go are
// those of RFC 9325, with HTTP/2, and, where the settings name authorities, with
// a client certificate of theirs.
func (c *certificate) config(s config.Settings) (*tls.Config, error) {
	made := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.live.Load(), nil },
	}
	if s.TLSClientCAFile == "" {
		return made, nil
	}
	pem, err := os.ReadFile(s.TLSClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("read GATEWAY_TLS_CLIENT_CA_FILE: %w", err)
	}
	made.ClientAuth, made.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !made.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read GATEWAY_TLS_CLIENT_CA_FILE: %s holds no PEM certificate", s.TLSClientCAFile)
	}
	return made, nil
}
