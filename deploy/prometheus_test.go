package deploy_test

// The folder prometheus, as Prometheus' own tools see it.

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// rule is an alert or a recording.
type rule struct {
	Record      string            `json:"record"`
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func (r rule) name() string { return r.Record + r.Alert }

func readRules(t testing.TB) (rules []rule) {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string `json:"name"`
			Rules []rule `json:"rules"`
		} `json:"groups"`
	}
	decode(t, "prometheus/rules.yaml", &file)
	for _, group := range file.Groups {
		rules = append(rules, group.Rules...)
	}
	if len(rules) == 0 {
		t.Fatal("rules.yaml has no rules")
	}
	return rules
}

// scrapeTargets are the static targets of prometheus.yml, by job.
func scrapeTargets(t testing.TB) map[string][]string {
	t.Helper()
	var file struct {
		Jobs []struct {
			Name   string `json:"job_name"`
			Static []struct {
				Targets []string `json:"targets"`
			} `json:"static_configs"`
		} `json:"scrape_configs"`
	}
	if err := yaml.Unmarshal(read(t, "prometheus/prometheus.yml"), &file); err != nil { // promtool is strict
		t.Fatal(err)
	}
	targets := map[string][]string{}
	for _, job := range file.Jobs {
		for _, static := range job.Static {
			targets[job.Name] = append(targets[job.Name], static.Targets...)
		}
	}
	return targets
}

func TestPromtool(t *testing.T) {
	for _, arguments := range [][]string{
		{"check", "config", "prometheus.yml"},
		{"check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"},
		{"test", "rules", "rules_test.yaml"},
	} {
		t.Run(strings.Join(arguments[:2], " "), func(t *testing.T) {
			t.Parallel()
			promtool := exec.CommandContext(t.Context(), installed(t, "promtool"), arguments...)
			promtool.Dir = "prometheus"
			if output, err := promtool.CombinedOutput(); err != nil {
				t.Errorf("promtool %s: %v\n%s", strings.Join(arguments, " "), err, output)
			}
		})
	}
}

// TestAlertsHelp: whoever is woken up is told what, how bad, and what to do.
func TestAlertsHelp(t *testing.T) {
	for _, r := range readRules(t) {
		if r.Alert == "" {
			continue
		}
		if severity := r.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s has severity %q", r.Alert, severity)
		}
		for _, annotation := range []string{"summary", "description", "runbook"} {
			if len(r.Annotations[annotation]) < 20 {
				t.Errorf("%s has no %s", r.Alert, annotation)
			}
		}
		if len(r.Annotations) != 3 {
			t.Errorf("%s has annotations of other names, too", r.Alert)
		}
	}
}

// TestEveryAlertIsTested: rules_test.yaml has a time at which it fires, and one at which nothing does.
func TestEveryAlertIsTested(t *testing.T) {
	var file struct {
		Tests []struct {
			Name    string `json:"name"`
			Queries []struct {
				Expr    string `json:"expr"`
				Samples []struct {
					Labels string `json:"labels"`
				} `json:"exp_samples"`
			} `json:"promql_expr_test"`
		} `json:"tests"`
	}
	if err := yaml.Unmarshal(read(t, filepath.ToSlash("prometheus/rules_test.yaml")), &file); err != nil { // promtool is strict
		t.Fatal(err)
	}
	alertName := regexp.MustCompile(`^ALERTS\{alertname="(\w+)"`)
	tested := map[string]bool{}
	for _, one := range file.Tests {
		quiet := false
		for _, query := range one.Queries {
			if query.Expr != `ALERTS{alertstate="firing"}` {
				for _, sample := range query.Samples {
					name, _, _ := strings.Cut(sample.Labels, "{")
					tested[name] = true
				}
				continue
			}
			quiet = quiet || len(query.Samples) == 0
			for _, sample := range query.Samples {
				if match := alertName.FindStringSubmatch(sample.Labels); match != nil {
					tested[match[1]] = true
				}
			}
		}
		if !quiet {
			t.Errorf("test %q has no time without an alert", one.Name)
		}
	}
	for _, r := range readRules(t) {
		if !tested[r.name()] {
			t.Errorf("rules_test.yaml does not test %s", r.name())
		}
	}
}
