package server

import (
	"testing"
)

// FuzzAsNetHTTP sends arbitrary bytes, in two writes, to both servers.
func FuzzAsNetHTTP(f *testing.F) {
	for _, line := range requestLines {
		f.Add(with(line, "Host: h"), 9)
	}
	for _, fields := range fieldLines {
		f.Add(with("GET /a HTTP/1.1", fields...), 30)
	}
	for _, fields := range framings {
		for _, body := range bodies {
			f.Add(post(body, fields...)+get(), 50)
		}
	}
	for _, text := range conversations {
		f.Add(text, len(text)/2)
	}
	p := newPair(f, report)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		if len(text) > 40<<10 {
			t.Skip()
		}
		cut = max(0, min(cut, len(text)))
		p.same(t, text[:cut], text[cut:])
	})
}
