package ops_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/httperr"
	"gatehouse/proxy"
	"gatehouse/proxy/listener"
)

// TestMetricsAreDocumented checks that docs/operations.md has every metric of the
// gateway, the values of its closed labels, and the buckets of the histograms.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := func(what string) {
		if !strings.Contains(string(text), what) {
			t.Errorf("docs/operations.md does not have %s", what)
		}
	}
	o := newOperators(t, nil)
	o.serve(t, openTable)
	o.metrics.WatchConnections(o.gateway.Clients())
	o.metrics.WatchLimits(o.gateway)
	o.metrics.WatchStore()
	o.metrics.UserFeed(true)
	o.metrics.Login("success")
	route := o.metrics.Route("open", "backend:80")
	route.ResponseHeader(time.Millisecond)
	families, err := o.metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, family := range families {
		name := family.GetName()
		if !strings.HasPrefix(name, "gatehouse_") || strings.HasPrefix(name, "gatehouse_config_") {
			continue
		}
		found++
		documented("`" + name)
		for _, metric := range family.GetMetric() {
			if histogram := metric.GetHistogram(); histogram != nil {
				var below, above []string
				for _, bucket := range histogram.GetBucket() {
					if seconds := bucket.GetUpperBound(); seconds < 1 {
						below = append(below, strconv.FormatFloat(seconds*1000, 'g', -1, 64))
					} else {
						above = append(above, strconv.FormatFloat(seconds, 'g', -1, 64))
					}
				}
				documented("the buckets " + listed(below) + " ms, and " + listed(above) + " s")
			}
		}
	}
	if found < 15 {
		t.Errorf("the registry has only %d metrics of the gateway", found)
	}
	for _, reason := range httperr.Reasons {
		documented("\n| `" + string(reason) + "` | 5")
	}
	for _, limit := range proxy.Limits {
		documented("`" + string(limit) + "`")
	}
	for _, reason := range listener.RefusalReasons {
		documented("`" + string(reason) + "`")
	}
}

// listed returns words as a list in English.
func listed(words []string) string {
	last := len(words) - 1
	return strings.Join(slices.Clone(words[:last]), ", ") + " and " + words[last]
}
