package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// TestExpiredCertificatesAreTold serves one certificate and presents others to
// backends: /metrics has when each expires, and the log when one has.
func TestExpiredCertificatesAreTold(t *testing.T) {
	t.Parallel()
	hourAgo, later := time.Now().Add(-time.Hour), time.Now().Add(48*time.Hour)
	certFile, keyFile, _ := selfSignedUntil(t, hourAgo)
	mine, mineKey, _ := selfSignedUntil(t, later)
	soon := time.Now().Add(4 * time.Second)
	brief, briefKey, _ := selfSignedUntil(t, soon)
	file := testkit.TempFile(t, "routes.yaml", table(reportingBackend(t, "backend"),
		"  - {name: mine, prefix: /mine, backend: https://127.0.0.1:1, auth: none, tls: {cert: "+mine+", key: "+mineKey+"}}",
		"  - {name: brief, prefix: /brief, backend: https://127.0.0.1:1, auth: none, tls: {cert: "+brief+", key: "+briefKey+"}}"))
	gateway := startProcess(t, file, map[string]string{"GATEWAY_TLS_CERT_FILE": certFile, "GATEWAY_TLS_KEY_FILE": keyFile})
	expects := func(name string, want time.Time) bool {
		text := metric(t, gateway.operators, `gatehouse_certificate_expiry_timestamp_seconds{name="`+name+`"}`)
		value, err := strconv.ParseFloat(text, 64)
		return err == nil && int64(value) == want.Unix()
	}
	told := func(name string) (times int) {
		for line := range strings.Lines(gateway.log.String()) {
			var said struct{ Msg, Name string }
			if json.Unmarshal([]byte(line), &said) == nil && said.Name == name && strings.Contains(said.Msg, "has expired") {
				times++
			}
		}
		return times
	}
	for name, want := range map[string]time.Time{
		"GATEWAY_TLS_CERT_FILE": hourAgo, "route mine: tls.cert": later, "route brief: tls.cert": soon,
	} {
		if !expects(name, want) {
			t.Errorf("/metrics does not say when %s expires", name)
		}
	}
	for _, name := range []string{"GATEWAY_TLS_CERT_FILE", "route brief: tls.cert"} {
		testkit.Eventually(t, "the log tells that "+name+" has expired", func() bool { return told(name) > 0 })
	}

	newCert, newKey, _ := selfSignedUntil(t, later)
	testkit.WriteFile(t, certFile, testkit.ReadFile(t, newCert))
	testkit.WriteFile(t, keyFile, testkit.ReadFile(t, newKey))
	testkit.WriteFile(t, brief, testkit.ReadFile(t, newCert))
	testkit.WriteFile(t, briefKey, testkit.ReadFile(t, newKey))
	if a := do(t, request{method: http.MethodPost, url: gateway.operators + "/-/reload"}); a.status != http.StatusOK {
		t.Fatalf("reload: %d %s", a.status, a.body)
	}
	for _, name := range []string{"GATEWAY_TLS_CERT_FILE", "route brief: tls.cert"} {
		if !expects(name, later) {
			t.Errorf("/metrics does not say when the renewed %s expires", name)
		}
		if got := told(name); got != 1 {
			t.Errorf("the log told %d times that %s has expired", got, name)
		}
	}
}
