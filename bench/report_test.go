package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// made is a result of two rounds.
func made() result {
	measured := func(name string, costs ...float64) *entrant {
		e := &entrant{contender: contender{name: name, strict: strings.HasSuffix(name, "strict") || name == bareTokenName}}
		for _, cost := range costs {
			c := &count{requests: 3000, took: 2 * time.Second}
			c.latencies.add(2 * time.Millisecond)
			e.measurements = append(e.measurements, measurement{count: c, cost: cost, peak: 20 << 20})
		}
		return e
	}
	broken := measured("caddy")
	broken.err = errors.New("it ended: <no>")
	return result{
		workload: workload{title: "Small GET"},
		entrants: []*entrant{measured(bareName, 50, 60), measured(bareTokenName, 60, 80), measured("gatehouse strict", 40, 30), broken},
	}
}

func TestGrid(t *testing.T) {
	var text, markdown bytes.Buffer
	made().grid().writeText(&text)
	made().grid().writeMarkdown(&markdown)
	const wantText = `  gateway             requests/s  CPU µs/request  against bare  rounds min..max  same request  p50 ms  p99 ms  peak MiB  failed
  bare ReverseProxy        1,500            55.0          1.00       1.00..1.00          1.00    2.02    2.02        20       0
  bare, token passed       1,500            70.0          1.27       1.20..1.33          1.00    2.02    2.02        20       0
  gatehouse strict         1,500            35.0          0.65       0.50..0.80          0.52    2.02    2.02        20       0
  caddy                        0             0.0          0.00       0.00..0.00          0.00    0.00    0.00         0       0
  caddy: it ended: <no>
`
	if text.String() != wantText {
		t.Errorf("got\n%swant\n%s", &text, wantText)
	}
	lines := strings.Split(markdown.String(), "\n")
	if lines[1] != "| ------------------ | ---------: | -------------: | -----------: | --------------: | -----------: | -----: | -----: | -------: | -----: |" {
		t.Errorf("got rule %s", lines[1])
	}
	if lines[4] != "| gatehouse strict   |      1,500 |           35.0 |         0.65 |      0.50..0.80 |         0.52 |   2.02 |   2.02 |       20 |      0 |" {
		t.Errorf("got row %s", lines[4])
	}
}

func TestReport(t *testing.T) {
	var page bytes.Buffer
	o := options{rounds: 2, length: 3 * time.Second, connections: 64, idle: 5000}
	idle := made()
	idle.workload = workload{idle: true}
	writeReport(&page, o, about{machine: "a machine", backend: "Go", missing: []string{"caddy"}}, []result{made(), idle}, time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC))
	for _, want := range []string{"2026-01-02", "a machine", "apt-get install", "](latest.svg)", "## Small GET", "## 5,000 idle connections", "KiB/connection", "3s each time, in 2 rounds"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, &page)
		}
	}
}

func TestChart(t *testing.T) {
	var picture bytes.Buffer
	writeChart(&picture, chartOf(made(), "a <machine>"))
	decoder := xml.NewDecoder(bytes.NewReader(picture.Bytes()))
	bars := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, &picture)
		}
		if element, ok := token.(xml.StartElement); ok && element.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 3 { // the fourth was not measured
		t.Errorf("%d bars in\n%s", bars, &picture)
	}
	if !strings.Contains(picture.String(), "35.0 (0.65)") || !strings.Contains(picture.String(), "a &lt;machine&gt;") {
		t.Errorf("labels are missing in\n%s", &picture)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 999.4: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%v: got %s, want %s", n, got, want)
		}
	}
}
