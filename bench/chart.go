package main

// This file draws bars, as SVG that fits a light page and a dark one.

import (
	"fmt"
	"html"
	"io"
)

// chart is bars of what a workload costs each gateway.
type chart struct {
	title, below string
	unit         string
	bars         []bar
}

type bar struct {
	name   string
	length float64
	label  string
	ours   bool
}

// chartOf takes the gateways that were measured.
func chartOf(r result, machine string) chart {
	c := chart{title: r.workload.title, unit: r.workload.unit(), below: machine}
	for i, s := range r.summaries() {
		if s.cost > 0 {
			c.bars = append(c.bars, bar{
				name: s.name, length: s.cost, ours: r.entrants[i].ours(),
				label: fmt.Sprintf("%.1f (%.2f)", s.cost, s.ratio),
			})
		}
	}
	return c
}

// Measures of the chart, in pixels.
const (
	chartWidth  = 720
	chartLeft   = 150 // of the bars
	chartTop    = 44
	barStep     = 28
	barHeight   = 18
	labelWidth  = 110
	chartBottom = 26
)

const chartStyle = `text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-weight:600}.s{font-size:11px;fill:#57606a}` +
	`.b{fill:#8c959f}.o{fill:#0969da}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#8b949e}.b{fill:#6e7681}.o{fill:#4493f8}}`

func writeChart(w io.Writer, c chart) {
	height := chartTop + barStep*len(c.bars) + chartBottom
	longest := 0.0
	for _, b := range c.bars {
		longest = max(longest, b.length)
	}
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img">`+"\n", chartWidth, height)
	fmt.Fprintf(w, "<title>%s</title>\n<style>%s</style>\n", html.EscapeString(c.title), chartStyle)
	fmt.Fprintf(w, `<text class="t" x="0" y="16">%s</text><text class="s" x="0" y="33">%s (against the bare proxy); less is better</text>`+"\n",
		html.EscapeString(c.title), html.EscapeString(c.unit))
	for i, b := range c.bars {
		y, class := chartTop+barStep*i, "b"
		if b.ours {
			class = "o"
		}
		width := b.length / longest * (chartWidth - chartLeft - labelWidth)
		fmt.Fprintf(w, `<text x="%d" y="%d" text-anchor="end">%s</text>`, chartLeft-8, y+14, html.EscapeString(b.name))
		fmt.Fprintf(w, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>`, class, chartLeft, y, width, barHeight)
		fmt.Fprintf(w, `<text x="%.1f" y="%d">%s</text>`+"\n", chartLeft+width+6, y+14, html.EscapeString(b.label))
	}
	fmt.Fprintf(w, `<text class="s" x="0" y="%d">%s</text>`+"\n</svg>\n", height-8, html.EscapeString(c.below))
}
