package deploy_test

// A real Prometheus scrapes a real gateway that has something to tell: every rule and every panel has to find it.

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/testkit"

	"sigs.k8s.io/yaml"
)

const (
	liveCompany  = "9b8f7e6d-5c4b-4a39-8877-665544332222"
	liveEmail    = "ann@example.com"
	livePassword = "correct horse battery"

	liveTable = `
users:
  companies: [` + liveCompany + `]
tokens:
  - {issuer: "https://login.example.com/", keys: "${KEYS}", algorithms: [ES256], audience: live}
backends:
  orders: {servers: ["${ECHO}", "${GONE}"], health: {path: /, interval: 1s}}
  lost: {servers: ["${GONE}"], health: {path: /, interval: 1s}}
  found: {discover: {url: "${FOUND}"}}
routes:
  - {name: users, prefix: /api/v1/users, handler: users}
  - {name: orders, prefix: /api/v1/orders, backend: orders, auth: none, mirror: {backend: found, percent: 100}}
  - {name: lost, prefix: /api/v1/lost, backend: lost, auth: none}
  - {name: query, prefix: /api/v1/query, backend: "${ECHO}"}
  - {name: open, prefix: /api/v1/open, backend: "${ECHO}", auth: none}
  - {name: gone, prefix: /api/v1/gone, backend: "${GONE}", auth: none}
  - {name: mutual, prefix: /api/v1/mutual, backend: "https://127.0.0.1:1", auth: none, tls: {cert: "${CERT}", key: "${KEY}"}}
`
	// liveKeys are what the other issuer publishes (RFC 7515 appendix A.3).
	liveKeys = `{"keys": [{"kty": "EC", "crv": "P-256", "kid": "a",
		"x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`
	// liveLimit bounds the wait for all data; it takes seconds, more of them on a busy machine.
	liveLimit = 5 * time.Minute
	tick      = 200 * time.Millisecond
)

// gateway is a running one.
type gateway struct {
	public, operators string         // URLs
	settings          map[string]any // as it logged them
}

// serve runs the program with the environment of the Deployment, as far as a test's gateway may have the same.
func serve(t testing.TB) gateway {
	t.Helper()
	folder := t.TempDir()
	table := filepath.Join(folder, "routes.yaml")
	testkit.WriteFile(t, table, liveTable)
	keys := filepath.Join(folder, "keys.json")
	testkit.WriteFile(t, keys, liveKeys)
	secret := filepath.Join(folder, "jwt-secret")
	testkit.WriteFile(t, secret, rand.Text()+rand.Text())
	cert, key := clientCertificate(t, folder)
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = r.Write(w) }))
	t.Cleanup(echo.Close)

	own := environment{
		"GATEWAY_LISTEN=127.0.0.1:0", "GATEWAY_OPS_LISTEN=127.0.0.1:0",
		"GATEWAY_JWT_SECRET_FILE=" + secret,
		"GATEWAY_DATABASE_URL=sqlite:" + filepath.Join(folder, "gatehouse.db"),
		"GATEWAY_DATABASE_URL_FILE=", "GATEWAY_SHUTDOWN_DELAY=0s",
		"GATEWAY_LOG_LEVEL=debug", // which logs every setting
		"GATEWAY_BCRYPT_COST=4", "ECHO=" + echo.URL, "FOUND=" + strings.Replace(echo.URL, "127.0.0.1", "localhost", 1), "GONE=http://" + testkit.RefusingAddress(t), "CERT=" + cert, "KEY=" + key, "KEYS=" + keys,
	}
	for _, variable := range environmentOf(build(t, "kustomize/base").deployments["gatehouse"]) {
		if name, _, _ := strings.Cut(variable, "="); !slices.ContainsFunc(own, func(mine string) bool { return strings.HasPrefix(mine, name+"=") }) {
			own = append(own, variable)
		}
	}
	add := command(t, own, "users", "add", liveEmail, "--company", liveCompany)
	add.Stdin = strings.NewReader(livePassword + "\n")
	if output, err := add.CombinedOutput(); err != nil {
		t.Fatalf("gatehouse users add: %v\n%s", err, output)
	}

	var g gateway
	start(t, command(t, own, "serve", "--config", table), func(line string) bool {
		var entry struct {
			Msg       string         `json:"msg"`
			Listen    string         `json:"listen"`
			OpsListen string         `json:"ops_listen"`
			Settings  map[string]any `json:"settings"`
		}
		if json.Unmarshal([]byte(line), &entry) != nil {
			return false
		}
		if entry.Settings != nil {
			g.settings = entry.Settings
		}
		g.public, g.operators = "http://"+entry.Listen, "http://"+entry.OpsListen
		return entry.Msg == "serving"
	})
	return g
}

// clientCertificate writes a certificate, and its key, for a route to show.
func clientCertificate(t testing.TB, folder string) (cert, key string) {
	t.Helper()
	certPEM, keyPEM := testkit.SelfSigned(t, time.Now().Add(30*24*time.Hour))
	cert, key = filepath.Join(folder, "client.pem"), filepath.Join(folder, "client.key")
	testkit.WriteFile(t, cert, certPEM)
	testkit.WriteFile(t, key, keyPEM)
	return cert, key
}

// send makes one request and returns the status and the body.
func send(ctx context.Context, method, address, token, body string) (status int, answer string, err error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return response.StatusCode, string(data), err
}

// round sends one request of each kind: let through, refused, failed, lost, logins.
func (g gateway) round(ctx context.Context, token string) error {
	login := func(password string) string { return fmt.Sprintf(`{"email":%q,"password":%q}`, liveEmail, password) }
	for _, one := range []struct {
		method, path, token, body string
		want                      int
	}{
		{"GET", "/api/v1/query/chats", token, "", 200},
		{"GET", "/api/v1/query/chats", "", "", 401},
		{"GET", "/api/v1/query/chats", token + "x", "", 401},
		{"POST", "/api/v1/open/hello", "", `{"hello":"world"}`, 200},
		{"GET", "/api/v1/gone/x", "", "", 503},
		{"POST", "/api/v1/orders/1", "", `{"item":"fish"}`, 200},
		{"GET", "/api/v1/lost/x", "", "", 503},
		{"PUT", "/api/v1/gone/x", "", "{}", 503},
		{"GET", "/nowhere", "", "", 404},
		{"POST", "/api/v1/users/login", "", login(livePassword), 200},
		{"POST", "/api/v1/users/login", "", login("wrong horse"), 401},
		{"POST", "/api/v1/users/login", "", login("wrong donkey"), 401},
	} {
		status, answer, err := send(ctx, one.method, g.public+one.path, one.token, one.body)
		if err != nil {
			return err
		}
		if status != one.want {
			return fmt.Errorf("%s %s: %d, want %d: %s", one.method, one.path, status, one.want, answer)
		}
	}
	return nil
}

// keepBusy sends rounds until the test ends. The first has been sent when it returns.
func (g gateway) keepBusy(t testing.TB) {
	t.Helper()
	status, answer, err := send(t.Context(), "POST", g.public+"/api/v1/users/login", "",
		fmt.Sprintf(`{"email":%q,"password":%q}`, liveEmail, livePassword))
	if err != nil || status != http.StatusOK {
		t.Fatalf("log in: %d, %v: %s", status, err, answer)
	}
	var session struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(answer), &session); err != nil {
		t.Fatal(err)
	}
	if err := g.round(t.Context(), session.Token); err != nil {
		t.Fatal(err)
	}
	var working sync.WaitGroup
	working.Go(func() {
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		for {
			select {
			case <-t.Context().Done():
				return
			case <-ticker.C:
			}
			if err := g.round(t.Context(), session.Token); err != nil && t.Context().Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	t.Cleanup(working.Wait)
}

// TestSettingsOfTheDeploymentsAreKnown: a misspelt variable would be ignored without a word.
func TestSettingsOfTheDeploymentsAreKnown(t *testing.T) {
	g := serve(t)
	used := map[string]string{}
	for _, variable := range environmentOf(build(t, "kustomize/overlays/example").deployments["gatehouse"]) {
		name, value, _ := strings.Cut(variable, "=")
		used[name] = value
	}
	maps.Copy(used, readCompose(t).Services["gateway"].Environment)
	for name := range used {
		if !strings.HasPrefix(name, "GATEWAY_") || strings.HasPrefix(name, "GATEWAY_POSTGRES_") {
			continue // the parts of the database's address are not logged by themselves
		}
		if _, known := g.settings[name]; !known {
			if _, known = g.settings[strings.TrimSuffix(name, "_FILE")]; !known {
				t.Errorf("the gateway does not know %s", name)
			}
		}
	}
	if len(g.settings) < 10 {
		t.Errorf("the gateway logged only the settings %v", g.settings)
	}
}

func TestMetricsPassPromtool(t *testing.T) {
	g := serve(t)
	g.keepBusy(t)
	status, metrics, err := send(t.Context(), "GET", g.operators+"/metrics", "", "")
	if err != nil || status != http.StatusOK {
		t.Fatalf("GET /metrics: %d, %v", status, err)
	}
	check := exec.CommandContext(t.Context(), installed(t, "promtool"), "check", "metrics")
	check.Stdin = strings.NewReader(metrics)
	if output, err := check.CombinedOutput(); err != nil || len(bytes.TrimSpace(output)) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, output)
	}
	for _, name := range contract {
		exported := strings.Contains(metrics, "\n# TYPE "+name+" ")
		switch missing := slices.Contains(notYet, name); {
		case exported && missing:
			t.Errorf("the gateway exports %s: take it out of notYet", name)
		case !exported && !missing:
			t.Errorf("the gateway does not export %s", name)
		}
	}
}

// prometheus is a running one.
type prometheus struct{ url string }

// scrape runs Prometheus with prometheus.yml and rules.yaml, in quick motion, on this gateway.
func scrape(t testing.TB, g gateway) prometheus {
	t.Helper()
	var settings map[string]any
	if err := yaml.Unmarshal(read(t, "prometheus/prometheus.yml"), &settings); err != nil {
		t.Fatal(err)
	}
	settings["global"] = map[string]string{"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
	rules, err := filepath.Abs("prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	settings["rule_files"] = []string{rules}
	jobs := slices.DeleteFunc(settings["scrape_configs"].([]any), func(job any) bool {
		return job.(map[string]any)["job_name"] != "gatehouse"
	})
	if len(jobs) != 1 {
		t.Fatalf("prometheus.yml has %d jobs gatehouse, want one", len(jobs))
	}
	jobs[0].(map[string]any)["static_configs"] = []any{
		map[string]any{"targets": []string{strings.TrimPrefix(g.operators, "http://")}},
	}
	settings["scrape_configs"] = jobs
	data, err := yaml.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "prometheus.yml")
	testkit.WriteFile(t, file, data)
	cmd := exec.CommandContext(t.Context(), installed(t, "prometheus"), "--config.file="+file,
		"--storage.tsdb.path="+filepath.Join(folder, "data"), "--web.listen-address=127.0.0.1:0")
	var p prometheus
	listening := regexp.MustCompile(`msg="Listening on".* address=(\S+)`)
	start(t, cmd, func(line string) bool {
		if match := listening.FindStringSubmatch(line); match != nil {
			p.url = "http://" + match[1]
		}
		return p.url != "" && strings.Contains(line, "Server is ready to receive web requests")
	})
	return p
}

// api asks one of Prometheus' endpoints.
func (p prometheus) api(ctx context.Context, path string, parameters url.Values, into any) error {
	_, answer, err := send(ctx, "GET", p.url+"/api/v1/"+path+"?"+parameters.Encode(), "", "")
	if err != nil {
		return err
	}
	envelope := struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   any    `json:"data"`
	}{Data: into}
	if err := json.Unmarshal([]byte(answer), &envelope); err != nil {
		return fmt.Errorf("%s: %w", answer, err)
	}
	if envelope.Status != "success" {
		return fmt.Errorf("%s: %s", envelope.Status, envelope.Error)
	}
	return nil
}

// sample is one series of an answer.
type sample struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"` // time, and the value as text
}

func (s sample) isNumber() bool {
	value, err := strconv.ParseFloat(fmt.Sprint(s.Value[1]), 64)
	return err == nil && !math.IsNaN(value)
}

// query evaluates an expression now.
func (p prometheus) query(ctx context.Context, expression string) ([]sample, error) {
	var answer struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	}
	if err := p.api(ctx, "query", url.Values{"query": {expression}}, &answer); err != nil {
		return nil, err
	}
	if answer.Type != "vector" {
		return nil, fmt.Errorf("the answer is a %s", answer.Type)
	}
	var samples []sample
	err := json.Unmarshal(answer.Result, &samples)
	return samples, err
}

// hasData says why an expression gives no number, or no label that a legend names.
func (p prometheus) hasData(ctx context.Context, expression string, wantLabels ...string) error {
	samples, err := p.query(ctx, expression)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(samples, sample.isNumber) {
		return fmt.Errorf("no data in %v", samples)
	}
	for _, label := range wantLabels {
		for _, one := range samples {
			if one.Metric[label] == "" {
				return fmt.Errorf("no label %q in %v", label, one.Metric)
			}
		}
	}
	return nil
}

func TestRulesAndDashboardHaveData(t *testing.T) {
	g := serve(t)
	g.keepBusy(t)
	p := scrape(t, g)
	ctx, cancel := context.WithTimeout(t.Context(), liveLimit)
	defer cancel()
	testkit.EventuallyNil(ctx, t, "the gateway is up", func(ctx context.Context) error {
		samples, err := p.query(ctx, `up{job="gatehouse"} == 1`)
		if err == nil && len(samples) != 1 {
			err = fmt.Errorf("%d targets", len(samples))
		}
		return err
	})

	for _, r := range readRules(t) {
		t.Run("rule "+r.name(), func(t *testing.T) { p.checkRule(t, ctx, r) })
	}
	legend := regexp.MustCompile(`\{\{(\w+)\}\}`)
	d := readDashboard(t)
	for _, one := range d.targets() {
		t.Run("panel "+one.panel+" "+one.RefID, func(t *testing.T) {
			var labels []string
			for _, match := range legend.FindAllStringSubmatch(one.LegendFormat, -1) {
				labels = append(labels, match[1])
			}
			expression := filledIn(one.Expr)
			if readsOnlyMissing(expression) {
				p.checkEvaluates(t, ctx, expression)
				return
			}
			testkit.EventuallyNil(ctx, t, expression, func(ctx context.Context) error { return p.hasData(ctx, expression, labels...) })
		})
	}
	for _, expression := range d.variableSelectors() {
		t.Run("variable "+expression, func(t *testing.T) {
			testkit.EventuallyNil(ctx, t, expression, func(ctx context.Context) error { return p.hasData(ctx, filledIn(expression)) })
		})
	}
	for _, annotation := range d.Annotations.List {
		if annotation.Expr != "" {
			t.Run("annotation "+annotation.Name, func(t *testing.T) { p.checkEvaluates(t, ctx, filledIn(annotation.Expr)) })
		}
	}
	t.Run("rules are healthy", func(t *testing.T) { p.checkHealth(t, ctx) })
	t.Run("alerts", func(t *testing.T) { p.checkAlerts(t, ctx) })
}

// checkRule: a recording has data; of an alert, which should have none, what it looks at has.
func (p prometheus) checkRule(t *testing.T, ctx context.Context, r rule) {
	p.checkEvaluates(t, ctx, r.Expr)
	expressions := selectors(r.Expr)
	if r.Record != "" {
		expressions = []string{r.Expr, r.Record}
	}
	if len(expressions) == 0 {
		t.Error("the rule looks at nothing")
	}
	for _, expression := range expressions {
		if !readsOnlyMissing(expression) {
			testkit.EventuallyNil(ctx, t, expression, func(ctx context.Context) error { return p.hasData(ctx, expression) })
		}
	}
}

func (p prometheus) checkEvaluates(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	if _, err := p.query(ctx, expression); err != nil {
		t.Errorf("%s: %v", expression, err)
	}
}

// checkHealth: Prometheus itself has evaluated every rule.
func (p prometheus) checkHealth(t *testing.T, ctx context.Context) {
	want := len(readRules(t))
	testkit.EventuallyNil(ctx, t, "rules", func(ctx context.Context) error {
		var answer struct {
			Groups []struct {
				Rules []struct {
					Name, Health, LastError string
				}
			}
		}
		if err := p.api(ctx, "rules", nil, &answer); err != nil {
			return err
		}
		healthy := 0
		for _, group := range answer.Groups {
			for _, r := range group.Rules {
				if r.Health != "ok" {
					return fmt.Errorf("%s: %s %s", r.Name, r.Health, r.LastError)
				}
				healthy++
			}
		}
		if healthy != want {
			return fmt.Errorf("%d rules, want %d", healthy, want)
		}
		return nil
	})
}

// checkAlerts: what goes wrong here is noticed, what does not is not, and the sentences come out whole.
func (p prometheus) checkAlerts(t *testing.T, ctx context.Context) {
	want := []string{"GatehouseBackendDown", "GatehouseBackendPanic", "GatehouseBackendServerDown", "GatehouseErrorRateHigh"}
	mayBe := append([]string{"GatehouseAuthRefusals", "GatehouseBackendRetries", "GatehouseLoginGuessing"}, want...) // with patience
	testkit.EventuallyNil(ctx, t, "alerts", func(ctx context.Context) error {
		var answer struct {
			Alerts []struct {
				Labels, Annotations map[string]string
			}
		}
		if err := p.api(ctx, "alerts", nil, &answer); err != nil {
			return err
		}
		var names []string
		for _, alert := range answer.Alerts {
			name := alert.Labels["alertname"]
			names = append(names, name)
			if !slices.Contains(mayBe, name) {
				return fmt.Errorf("%s is raised without a reason: %v", name, alert.Labels)
			}
			for _, text := range alert.Annotations {
				if strings.Contains(text, "error") && strings.Contains(text, "template") || strings.Contains(text, "``") || strings.Contains(text, "  ") {
					return fmt.Errorf("%s says %q", name, text)
				}
			}
		}
		for _, name := range want {
			if !slices.Contains(names, name) {
				return fmt.Errorf("%s is not among %q", name, names)
			}
		}
		return nil
	})
}
