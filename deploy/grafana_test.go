package deploy_test

// The dashboard: its shape here, its data in live_test.go.

import (
	"bytes"
	"encoding/json"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// dashboard has what is looked at of Grafana's model, which has no published strict form.
type dashboard struct {
	UID        string  `json:"uid"`
	Title      string  `json:"title"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name  string `json:"name"`
			Type  string `json:"type"`
			Query any    `json:"query"`
		} `json:"list"`
	} `json:"templating"`
	Annotations struct {
		List []struct {
			Name string `json:"name"`
			Expr string `json:"expr"`
		} `json:"list"`
	} `json:"annotations"`
}

type panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	GridPos     struct {
		X, Y, W, H int
	} `json:"gridPos"`
	Datasource *datasource `json:"datasource"`
	Targets    []target    `json:"targets"`
	Panels     []panel     `json:"panels"` // of a row that is folded
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type target struct {
	RefID        string      `json:"refId"`
	Expr         string      `json:"expr"`
	LegendFormat string      `json:"legendFormat"`
	Datasource   *datasource `json:"datasource"`
	panel        string
}

func readDashboard(t testing.TB) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal(read(t, "grafana/dashboard.json"), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// targets are the queries of every panel.
func (d dashboard) targets() (found []target) {
	for _, p := range d.Panels {
		for _, one := range p.Targets {
			one.panel = p.Title
			found = append(found, one)
		}
	}
	return found
}

// filledIn replaces the variables the way Grafana does with everything chosen.
func filledIn(expression string) string {
	return strings.NewReplacer(
		"$__rate_interval", "10s", "$__interval", "10s", "$job", "gatehouse", "$instance", ".*", "$route", ".*",
	).Replace(expression)
}

func TestDashboardIsWellFormed(t *testing.T) {
	d := readDashboard(t)
	ids := map[int]string{}
	for _, p := range d.Panels {
		if other, found := ids[p.ID]; found || p.ID == 0 {
			t.Errorf("panel %q has the id of %q", p.Title, other)
		}
		ids[p.ID] = p.Title
		if p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W == 0 || p.GridPos.H == 0 {
			t.Errorf("panel %q does not fit: %v", p.Title, p.GridPos)
		}
		for _, other := range d.Panels {
			if other.ID != p.ID && p.GridPos.X < other.GridPos.X+other.GridPos.W && other.GridPos.X < p.GridPos.X+p.GridPos.W &&
				p.GridPos.Y < other.GridPos.Y+other.GridPos.H && other.GridPos.Y < p.GridPos.Y+p.GridPos.H {
				t.Errorf("panels %q and %q overlap", p.Title, other.Title)
			}
		}
		if len(p.Panels) > 0 {
			t.Errorf("row %q is folded: its panels would not be tested", p.Title)
		}
		if p.Type != "row" {
			checkPanel(t, p)
		}
	}
}

func checkPanel(t *testing.T, p panel) {
	t.Helper()
	chosen := datasource{Type: "prometheus", UID: "${datasource}"}
	if p.Title == "" || p.Description == "" || len(p.Targets) == 0 {
		t.Errorf("panel %q has no title, no description or no query", p.Title)
	}
	if p.Datasource == nil || *p.Datasource != chosen {
		t.Errorf("panel %q asks %v, not the data source that was chosen", p.Title, p.Datasource)
	}
	refs := map[string]bool{}
	for _, one := range p.Targets {
		if one.Datasource == nil || *one.Datasource != chosen || one.RefID == "" || refs[one.RefID] {
			t.Errorf("panel %q: query %q: data source %v, id %q", p.Title, one.Expr, one.Datasource, one.RefID)
		}
		refs[one.RefID] = true
		if strings.Contains(filledIn(one.Expr), "$") {
			t.Errorf("panel %q: query %q has a variable that is not there", p.Title, one.Expr)
		}
		if !strings.Contains(one.Expr, `job=~"$job"`) {
			t.Errorf("panel %q: query %q looks beyond the job that was chosen", p.Title, one.Expr)
		}
	}
}

func TestDashboardVariables(t *testing.T) {
	var names []string
	for _, variable := range readDashboard(t).Templating.List {
		names = append(names, variable.Name+" "+variable.Type)
	}
	if want := []string{"datasource datasource", "job query", "instance query", "route query"}; !slices.Equal(names, want) {
		t.Errorf("variables %q, want %q", names, want)
	}
}

// variableSelectors are what the variables' choices come from: label_values(selector, label).
func (d dashboard) variableSelectors() (found []string) {
	choices := regexp.MustCompile(`^label_values\((.+), \w+\)$`)
	for _, variable := range d.Templating.List {
		query, ok := variable.Query.(map[string]any)
		if !ok {
			continue
		}
		if match := choices.FindStringSubmatch(query["query"].(string)); match != nil {
			found = append(found, match[1])
		}
	}
	return found
}

// TestDashboardIsProvisioned: compose.yaml mounts the dashboard where the provider looks, beside a data source that is there.
func TestDashboardIsProvisioned(t *testing.T) {
	var dashboards struct {
		APIVersion int `json:"apiVersion"`
		Providers  []struct {
			Name           string            `json:"name"`
			Type           string            `json:"type"`
			AllowUIUpdates bool              `json:"allowUiUpdates"`
			Options        map[string]string `json:"options"`
		} `json:"providers"`
	}
	decode(t, "grafana/provisioning/dashboards/gatehouse.yaml", &dashboards)
	var sources struct {
		APIVersion  int `json:"apiVersion"`
		Datasources []struct {
			Name      string            `json:"name"`
			Type      string            `json:"type"`
			Access    string            `json:"access"`
			URL       string            `json:"url"`
			IsDefault bool              `json:"isDefault"`
			JSONData  map[string]string `json:"jsonData"`
		} `json:"datasources"`
	}
	decode(t, "grafana/provisioning/datasources/prometheus.yaml", &sources)
	if len(dashboards.Providers) != 1 || len(sources.Datasources) != 1 {
		t.Fatal("want one provider and one data source")
	}
	mounted := slices.ContainsFunc(readCompose(t).Services["grafana"].Volumes, func(volume string) bool {
		parts := strings.Split(volume, ":")
		return filepath.Clean(parts[0]) == filepath.FromSlash("grafana/dashboard.json") &&
			path.Dir(parts[1]) == dashboards.Providers[0].Options["path"]
	})
	if !mounted {
		t.Error("compose.yaml does not mount the dashboard where the provider looks")
	}
	if interval := sources.Datasources[0].JSONData["timeInterval"]; !bytes.Contains(read(t, "prometheus/prometheus.yml"), []byte("scrape_interval: "+interval+"\n")) {
		t.Errorf("the data source's timeInterval %s is not the scrape interval", interval)
	}
}
