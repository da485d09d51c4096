package main

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/config"
)

// TestCertificateIsRenewed replaces the files under a running watch: first by
// halves, which changes nothing, then whole.
func TestCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	certFile, keyFile, _ := selfSigned(t)
	g, log := newGateway(t, "", map[string]string{"GATEWAY_TLS_CERT_FILE": certFile, "GATEWAY_TLS_KEY_FILE": keyFile})
	settings, err := config.LoadSettings(g.lookup)
	if err != nil {
		t.Fatal(err)
	}
	c, err := loadCertificate(settings)
	if err != nil {
		t.Fatal(err)
	}
	first := c.live.Load()
	go c.watch(t.Context(), 5*time.Millisecond, slog.New(slog.NewTextHandler(log, nil)))

	newCert, newKey, _ := selfSigned(t)
	copyFile(t, newCert, certFile)
	eventually(t, "the half-renewed pair is told", func() bool { return strings.Contains(log.String(), "last good one") })
	if c.live.Load() != first {
		t.Error("a pair that does not fit was taken over")
	}
	copyFile(t, newKey, keyFile)
	eventually(t, "the renewed pair is used", func() bool { return c.live.Load() != first })
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, to, string(content))
}

// TestClientCertificates lets only those in who have a certificate of the
// authorities.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	certFile, keyFile, roots := selfSigned(t)
	clientCert, clientKey, _ := selfSigned(t)
	backend := httptest.NewServer(http.NotFoundHandler())
	defer backend.Close()
	gateway := start(t, openTable(t, backend.URL), map[string]string{
		"GATEWAY_TLS_CERT_FILE": certFile, "GATEWAY_TLS_KEY_FILE": keyFile, "GATEWAY_TLS_CLIENT_CA_FILE": clientCert,
	})
	pair, err := tls.LoadX509KeyPair(clientCert, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	status := func(certificates []tls.Certificate, version uint16, roots *x509.CertPool) (int, error) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates, MaxVersion: version}}
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Get(gateway.url + "/health")
		if err != nil {
			return 0, err
		}
		return res.StatusCode, res.Body.Close()
	}
	if got, err := status([]tls.Certificate{pair}, 0, roots); err != nil || got != http.StatusOK {
		t.Errorf("with a certificate: %d, %v", got, err)
	}
	if got, err := status(nil, 0, roots); err == nil {
		t.Errorf("without a certificate: %d", got)
	}
	if got, err := status([]tls.Certificate{pair}, tls.VersionTLS11, roots); err == nil {
		t.Errorf("with TLS 1.1: %d", got)
	}
}
