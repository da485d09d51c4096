package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"gatehouse/internal/testkit"
)

// TestCertificateIsRenewed replaces the files of a running gateway: first by
// halves, which changes nothing, then whole.
func TestCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	certFile, keyFile, _ := selfSigned(t)
	gateway := startProcess(t, openTable(t, reportingBackend(t, "backend")), map[string]string{
		"GATEWAY_TLS_CERT_FILE": certFile, "GATEWAY_TLS_KEY_FILE": keyFile,
	})
	first := gateway.serves(t)
	newCert, newKey, _ := selfSigned(t)
	testkit.WriteFile(t, certFile, testkit.ReadFile(t, newCert))
	testkit.Eventually(t, "the half-renewed pair is told", func() bool {
		return strings.Contains(gateway.log.String(), "the old content stays in use")
	})
	if !bytes.Equal(gateway.serves(t), first) {
		t.Error("a pair that does not fit was taken over")
	}
	testkit.WriteFile(t, keyFile, testkit.ReadFile(t, newKey))
	testkit.Eventually(t, "the renewed pair is used", func() bool { return bytes.Equal(gateway.serves(t), inPEM(t, newCert)) })
	if told := strings.Count(gateway.log.String(), "changed files cannot be used"); told != 1 {
		t.Errorf("the half-renewed pair was told %d times", told)
	}

	// As certbot and the kubelet do it: by renames.
	nextCert, nextKey, _ := selfSigned(t)
	testkit.ReplaceFile(t, keyFile, testkit.ReadFile(t, nextKey))
	want := inPEM(t, nextCert)
	testkit.ReplaceFile(t, certFile, testkit.ReadFile(t, nextCert))
	testkit.Eventually(t, "the pair that was renamed is used", func() bool { return bytes.Equal(gateway.serves(t), want) })
}

// TestCertificateByRequest asks for the renewed certificate instead of waiting:
// by SIGHUP, and by a reload, which says when it cannot be used.
func TestCertificateByRequest(t *testing.T) {
	t.Parallel()
	certFile, keyFile, _ := selfSigned(t)
	gateway := startProcess(t, openTable(t, reportingBackend(t, "backend")), map[string]string{
		"GATEWAY_TLS_CERT_FILE": certFile, "GATEWAY_TLS_KEY_FILE": keyFile,
	})
	first := gateway.serves(t)
	testkit.WriteFile(t, certFile, "garbage")
	a := do(t, request{method: http.MethodPost, url: gateway.operators + "/-/reload"})
	if a.status != http.StatusOK || !strings.Contains(a.body, "GATEWAY_TLS_CERT_FILE") {
		t.Errorf("a reload beside garbage: %d %s", a.status, a.body)
	}
	testkit.Eventually(t, "the log tells of the garbage", func() bool {
		return strings.Contains(gateway.log.String(), "changed files cannot be used")
	})
	if !bytes.Equal(gateway.serves(t), first) {
		t.Error("the last good certificate is not served any more")
	}
	newCert, newKey, _ := selfSigned(t)
	testkit.WriteFile(t, certFile, testkit.ReadFile(t, newCert))
	testkit.WriteFile(t, keyFile, testkit.ReadFile(t, newKey))
	if a := do(t, request{method: http.MethodPost, url: gateway.operators + "/-/reload"}); a.status != http.StatusOK || strings.Contains(a.body, "GATEWAY_TLS_CERT_FILE") {
		t.Errorf("a reload: %d %s", a.status, a.body)
	}
	if !bytes.Equal(gateway.serves(t), inPEM(t, newCert)) {
		t.Error("the renewed certificate is not served after a reload")
	}
	newCert, newKey, _ = selfSigned(t)
	testkit.WriteFile(t, certFile, testkit.ReadFile(t, newCert))
	testkit.WriteFile(t, keyFile, testkit.ReadFile(t, newKey))
	if err := gateway.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the renewed certificate is served after SIGHUP", func() bool {
		return bytes.Equal(gateway.serves(t), inPEM(t, newCert))
	})
}

// TestClientAuthoritiesAreRenewed takes clients of the new authority in, and
// those of the old one no longer, over HTTP/1.1 and HTTP/2.
func TestClientAuthoritiesAreRenewed(t *testing.T) {
	t.Parallel()
	certFile, keyFile, roots := selfSigned(t)
	oldCert, oldKey, _ := selfSigned(t)
	newCert, newKey, _ := selfSigned(t)
	authorities := testkit.TempFile(t, "clients.pem", testkit.ReadFile(t, oldCert))
	gateway := startProcess(t, openTable(t, reportingBackend(t, "backend")), map[string]string{
		"GATEWAY_TLS_CERT_FILE": certFile, "GATEWAY_TLS_KEY_FILE": keyFile, "GATEWAY_TLS_CLIENT_CA_FILE": authorities,
	})
	sessions := map[string]tls.ClientSessionCache{oldCert: tls.NewLRUClientSessionCache(10), newCert: tls.NewLRUClientSessionCache(10)}
	passes := func(certFile, keyFile string, http2 bool) bool {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{ForceAttemptHTTP2: http2, TLSClientConfig: &tls.Config{
			RootCAs: roots, Certificates: []tls.Certificate{pair}, ClientSessionCache: sessions[certFile],
		}}
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Get("https" + strings.TrimPrefix(gateway.url, "http") + "/open")
		if err != nil {
			return false
		}
		if want := map[bool]int{false: 1, true: 2}[http2]; res.ProtoMajor != want {
			t.Errorf("HTTP/%d, want %d", res.ProtoMajor, want)
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	}
	for _, http2 := range []bool{false, true} {
		if !passes(oldCert, oldKey, http2) {
			t.Fatal("a client of the authority does not pass")
		}
	}
	if passes(newCert, newKey, false) {
		t.Fatal("a client of another authority passes")
	}
	testkit.WriteFile(t, authorities, "\ufeff"+string(testkit.ReadFile(t, newCert))) // Notepad's mark does not matter
	testkit.Eventually(t, "clients of the new authority pass", func() bool { return passes(newCert, newKey, false) && passes(newCert, newKey, true) })
	if passes(oldCert, oldKey, false) || passes(oldCert, oldKey, true) {
		t.Error("a client of the old authority still passes")
	}
}

// serves returns the certificate that a new connection is shown.
func (p *process) serves(t *testing.T) []byte {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(p.url, "http://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Raw
}

// inPEM returns the first certificate in a file.
func inPEM(t *testing.T, path string) []byte {
	t.Helper()
	block, _ := pem.Decode(testkit.ReadFile(t, path))
	if block == nil {
		t.Fatalf("%s holds no PEM block", path)
	}
	return block.Bytes
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
