package deploy_test

// The names that gateway, rules and dashboard agree on.

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// contract are the gateway's metrics.
var contract = []string{
	"gatehouse_auth_decisions_total",
	"gatehouse_backend_discovery_up",
	"gatehouse_backend_ejections_total",
	"gatehouse_backend_panic",
	"gatehouse_backend_rejected_total",
	"gatehouse_backend_request_duration_seconds",
	"gatehouse_backend_requests_in_flight",
	"gatehouse_backend_requests_total",
	"gatehouse_backend_requests_waiting",
	"gatehouse_backend_response_header_seconds",
	"gatehouse_backend_retries_total",
	"gatehouse_backend_server_up",
	"gatehouse_backend_up",
	"gatehouse_build_info",
	"gatehouse_certificate_expiry_timestamp_seconds",
	"gatehouse_config_info",
	"gatehouse_config_last_reload_success_timestamp_seconds",
	"gatehouse_config_last_reload_successful",
	"gatehouse_config_reloads_total",
	"gatehouse_connections_open",
	"gatehouse_connections_refused_total",
	"gatehouse_gateway_errors_total",
	"gatehouse_http2_errors_total",
	"gatehouse_http_request_bytes_total",
	"gatehouse_http_request_duration_seconds",
	"gatehouse_http_requests_in_flight",
	"gatehouse_http_requests_total",
	"gatehouse_http_response_bytes_total",
	"gatehouse_issuer_keys",
	"gatehouse_issuer_keys_last_success_timestamp_seconds",
	"gatehouse_limits_refused_total",
	"gatehouse_log_lines_dropped_total",
	"gatehouse_login_attempts_total",
	"gatehouse_mirror_requests_total",
	"gatehouse_store_up",
	"gatehouse_user_feed_connected",
}

// notYet are those that the gateway does not export yet. The day it does, TestMetricsPassPromtool fails until the
// name is gone from here; an empty list is what is wanted.
var notYet = []string{}

// selector matches a metric's name in PromQL, with its braces. Words of the language, labels and functions are told
// from names by isMetric.
var selector = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^}]*\})?`)

var isMetric = regexp.MustCompile(`^(up|(gatehouse|go|process)_\w+|[a-z]+:\w+:\w+)$`)

// selectors finds what an expression reads.
func selectors(expression string) (found []string) {
	for _, one := range selector.FindAllString(expression, -1) {
		if name, _, _ := strings.Cut(one, "{"); isMetric.MatchString(name) {
			found = append(found, one)
		}
	}
	return found
}

// metricOf returns the metric that a selector, or the name of a series, is of.
func metricOf(series string) string {
	name, _, _ := strings.Cut(series, "{")
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, found := strings.CutSuffix(name, suffix); found && slices.Contains(contract, base) {
			return base
		}
	}
	return name
}

// readsOnlyMissing says whether an expression cannot have data yet.
func readsOnlyMissing(expression string) bool {
	return !slices.ContainsFunc(selectors(expression), func(one string) bool {
		return !slices.Contains(notYet, metricOf(one))
	})
}

func TestSelectors(t *testing.T) {
	for expression, want := range map[string][]string{
		`up{job="gatehouse"} == 0`:                                 {`up{job="gatehouse"}`},
		`sum by (job, up_to) (rate(gatehouse_x_total{a="b"}[5m]))`: {`gatehouse_x_total{a="b"}`},
		`route:gatehouse_x:rate5m > 0.1 and absent(go_threads)`:    {`route:gatehouse_x:rate5m`, `go_threads`},
		`time() - process_start_time_seconds`:                      {`process_start_time_seconds`},
		`vector(0)`:                                                nil,
	} {
		if got := selectors(expression); !slices.Equal(got, want) {
			t.Errorf("selectors(%s) = %q, want %q", expression, got, want)
		}
	}
}

// TestMetricsAreThoseOfTheContract: nothing asks for a metric that there is not, and the dashboard shows all there are.
func TestMetricsAreThoseOfTheContract(t *testing.T) {
	recorded := []string{}
	var asked []string
	for _, rule := range readRules(t) {
		asked = append(asked, selectors(rule.Expr)...)
		recorded = append(recorded, rule.Record)
	}
	var shown []string
	for _, target := range readDashboard(t).targets() {
		for _, one := range selectors(target.Expr) {
			asked, shown = append(asked, one), append(shown, metricOf(one))
		}
	}
	for _, one := range asked {
		name := metricOf(one)
		switch {
		case strings.HasPrefix(name, "gatehouse_") && !slices.Contains(contract, name):
			t.Errorf("the gateway has no metric %s", name)
		case strings.Contains(name, ":") && !slices.Contains(recorded, name):
			t.Errorf("no rule records %s", name)
		}
	}
	for _, name := range contract {
		if !slices.Contains(shown, name) {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
	for _, name := range notYet {
		if !slices.Contains(contract, name) {
			t.Errorf("notYet has %s, which is not in the contract", name)
		}
	}
}
