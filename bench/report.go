package main

// This file writes the results: tables for people and for Markdown, and the files.

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"
)

// grid is a table; the first column is text, the others are numbers.
type grid struct {
	head  []string
	rows  [][]string
	notes []string // below it
}

// widths are those of the columns, in characters.
func (g grid) widths() []int {
	widths := make([]int, len(g.head))
	for _, row := range append([][]string{g.head}, g.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// padded are the cells of a row, text to the left and numbers to the right.
func (g grid) padded(row []string) []string {
	cells := make([]string, len(row))
	for i, width := range g.widths() {
		space := strings.Repeat(" ", width-utf8.RuneCountInString(row[i]))
		if cells[i] = space + row[i]; i == 0 {
			cells[i] = row[i] + space
		}
	}
	return cells
}

func (g grid) writeText(w io.Writer) {
	for _, row := range append([][]string{g.head}, g.rows...) {
		fmt.Fprintln(w, "  "+strings.Join(g.padded(row), "  "))
	}
	for _, note := range g.notes {
		fmt.Fprintln(w, "  "+note)
	}
}

func (g grid) writeMarkdown(w io.Writer) {
	row := func(cells []string) { fmt.Fprintln(w, "| "+strings.Join(cells, " | ")+" |") }
	row(g.padded(g.head))
	rules := make([]string, len(g.head))
	for i, width := range g.widths() {
		if rules[i] = strings.Repeat("-", width-1) + ":"; i == 0 {
			rules[i] = strings.Repeat("-", width)
		}
	}
	row(rules)
	for _, cells := range g.rows {
		row(g.padded(cells))
	}
	for _, note := range g.notes {
		fmt.Fprintf(w, "\n%s\n", strings.ReplaceAll(note, "\n", " "))
	}
}

// writeReport writes all tables as a Markdown page that shows the chart.
func writeReport(w io.Writer, o options, here about, results []result, now time.Time) {
	fmt.Fprintf(w, "# Gatehouse and others, side by side\n\n%s, by `make bench`. %s\n\n", now.Format(time.DateOnly),
		strings.ReplaceAll(here.String(), "\n", " "))
	fmt.Fprintf(w, "Each gateway in turn, %v each time, in %d rounds; medians, and the ratio of each round to the bare `httputil.ReverseProxy` in the same round. "+
		"CPU and memory are those of the gateway's own processes. %d connections where nothing else is said. "+
		"Only the ratios mean anything elsewhere.\n\n", o.length, o.rounds, o.connections)
	fmt.Fprintf(w, "Gatehouse runs with its default configuration, where nothing else is said; `strict` checks token and user and injects identity headers; request id, metrics and access log are on. "+
		"haproxy, nginx and caddy write a request id and an access log too; `haproxy jwt` checks signature and expiry and sets three headers. "+
		"The bare proxy does nothing else; those that check tokens are held against it twice: where it is sent none, and, as \"same request\", where it passes the token on. "+
		"Where the backend has several servers, a request goes to the one with the fewest in flight (Gatehouse: of two by chance), and each is checked every ten seconds, but not by nginx. "+
		"The bare proxy and `gatehouse URL` have one server there, without checks.\n\n![CPU per request](%s.svg)\n", o.name())
	for _, r := range results {
		fmt.Fprintf(w, "\n## %s\n\n", r.title(o))
		r.grid().writeMarkdown(w)
	}
}

func (r result) title(o options) string {
	if r.workload.idle {
		return fmt.Sprintf("%s idle connections", thousands(float64(o.idle)))
	}
	return r.workload.title
}

// writeResults writes the page and the chart into the folder of the results.
func writeResults(o options, here about, results []result, out io.Writer) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return fmt.Errorf("make the folder of the results: %w", err)
	}
	var page, picture bytes.Buffer
	writeReport(&page, o, here, results, time.Now())
	if len(results) > 0 {
		writeChart(&picture, chartOf(results[0], here.machine))
	}
	for name, content := range map[string]*bytes.Buffer{o.name() + ".md": &page, o.name() + ".svg": &picture} {
		if err := os.WriteFile(filepath.Join(o.out, name), content.Bytes(), 0o644); err != nil {
			return fmt.Errorf("write the results: %w", err)
		}
	}
	fmt.Fprintf(out, "\nwritten to %s\n", filepath.Join(o.out, o.name()+".md"))
	return nil
}
