package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// writes returns a handler. It sets fields (each a line "Name: value"), writes a status
// unless it is 0, and then writes each piece.
func writes(fields string, status int, pieces ...string) noted {
	return func(w http.ResponseWriter, _ *http.Request, note noteFunc) {
		for field := range strings.SplitSeq(fields, "|") {
			if name, value, found := strings.Cut(field, ": "); found {
				w.Header()[name] = append(w.Header()[name], value)
			}
		}
		if status != 0 {
			w.WriteHeader(status)
		}
		for _, piece := range pieces {
			n, err := io.WriteString(w, piece)
			note("%d %v", n, err)
		}
	}
}

// flushes is like writes, with a Flush before each piece.
func flushes(fields string, status int, pieces ...string) noted {
	return func(w http.ResponseWriter, r *http.Request, note noteFunc) {
		writes(fields, status)(w, r, note)
		for _, piece := range pieces {
			note("%v", http.NewResponseController(w).Flush())
			n, err := io.WriteString(w, piece)
			note("%d %v", n, err)
		}
	}
}

func long(n int) string { return strings.Repeat("0123456789abcdef", n/16+1)[:n] }

// answers are handlers that ignore the request.
var answers = map[string]noted{
	"nothing": writes("", 0), "empty": writes("", 0, ""), "short": writes("", 0, "hello"), "pieces": writes("", 0, "a", "b", "", "c"),
	"2048": writes("", 0, long(2048)), "2049": writes("", 0, long(2049)), "2047+1": writes("", 0, long(2047), "x"), "2047+2": writes("", 0, long(2047), "xy"),
	"4096": writes("", 0, long(4096)), "20000": writes("", 0, long(20000)), "many": writes("", 0, strings.Split(long(5000), "")...), "large pieces": writes("", 0, long(3000), long(5000), long(10), long(9000)),
	"markup later": writes("", 0, "<", "html>"+long(3000)), "markup": writes("", 0, "<html>"), "binary": writes("", 0, "\x00\x01"), "blank first": writes("", 0, " ", long(2047), "<html>"),
	"length": writes("Content-Length: 5", 0, "hello"), "length in pieces": writes("Content-Length: 5", 0, "he", "llo"), "long length": writes("Content-Length: 20000", 0, long(20000)),
	"long length in pieces": writes("Content-Length: 20000", 0, long(1), long(19999)), "too little": writes("Content-Length: 9", 0, "hello"), "far too little": writes("Content-Length: 9000", 0, long(8000)),
	"nothing of 9": writes("Content-Length: 9", 0), "too much": writes("Content-Length: 5", 0, "hello!"), "too much later": writes("Content-Length: 5", 0, "hello", "!"), "length 0": writes("Content-Length: 0", 0),
	"body of 0": writes("Content-Length: 0", 0, "a"),
	"204":       writes("", 204), "204 with body": writes("", 204, "a"), "204 with fields": writes("Content-Type: a|Content-Length: 3|Transfer-Encoding: chunked", 204), "304": writes("Content-Type: a|Content-Length: 3|Etag: e", 304),
	"304 with body": writes("", 304, "a"), "404": writes("", 404), "404 with body": writes("", 404, "no"), "599": writes("", 599, "a"), "999": writes("", 999), "200": writes("", 200, "a"), "101": writes("", 101, "a"), "101 with fields": writes("Upgrade: x|Content-Length: 3|Content-Type: a", 101),
	"flush": flushes("", 0, ""), "flush and write": flushes("", 0, "a", "b"), "flush 204": flushes("", 204, "", "a"), "flush with length": flushes("Content-Length: 2", 0, "a", "b"), "flush and long": flushes("", 0, long(5000), long(100), long(3000)),
	"flush too little": flushes("Content-Length: 3", 0, "a"), "flush trailer": flushes("Trailer: X", 0, "a"),
	"trailer": trailers("Trailer: X|Trailer: Y, x-z", "body"), "trailer without body": trailers("Trailer: X", ""), "bad trailers": trailers("Trailer: Content-Length, , Transfer-Encoding", "body"), "only bad trailers": trailers("Trailer: Content-Length", ""),
	"empty trailer": trailers("Trailer: ", "body"), "same trailer twice": trailers("Trailer: X, X", "body"), "prefixed before": trailers("Trailer:X: early", "body"), "prefixed only": trailers("", "body"), "prefixed, long": trailers("", long(4000)),
	"trailer and length": trailers("Trailer: X|Content-Length: 4", "body"), "trailer of none": writes("Trailer: Never", 0, "body"), "204 with trailer": writes("Trailer: X", 204),
	"type": writes("Content-Type: a/b", 0, "<html>"), "empty type": writes("Content-Type: ", 0, "<html>"), "encoded": writes("Content-Encoding: gzip", 0, "<html>"), "empty encoding": writes("Content-Encoding: ", 0, "<html>"),
	"date": writes("Date: yesterday", 0), "fields": writes("X: a\r\nb|Y:  a\t |X: c|Bad Name: x|: y|X\nY: z|Ä: z|Z: ä\xff|x-odd: 1|Q: a\x00b", 0, "a"),
	"close": writes("Connection: close", 0, "a"), "Close": writes("Connection: Close", 0, "a"), "keep-alive": writes("Connection: keep-alive", 0, "a"), "close and more": writes("Connection: close, x", 0, "a"), "two connections": writes("Connection: x|Connection: close", 0, "a"),
	"close twice": writes("Connection: close|Connection: x", 0, "a"), "upgrade": writes("Connection: upgrade|Upgrade: x", 0, "a"),
	"chunked": writes("Transfer-Encoding: chunked", 0, "a"), "identity": writes("Transfer-Encoding: identity", 0, "a"), "identity, length": writes("Transfer-Encoding: identity|Content-Length: 1", 0, "a"), "gzip": writes("Transfer-Encoding: gzip", 0, "<html>"),
	"chunked, length": writes("Transfer-Encoding: chunked|Content-Length: 1", 0, "a"), "chunked, too much": writes("Transfer-Encoding: chunked|Content-Length: 1", 0, "ab"), "empty coding": writes("Transfer-Encoding: ", 0, "a"), "identity, long": writes("Transfer-Encoding: identity", 0, long(9000)),
	"large head": writes("X: "+long(9000), 0, "a"), "large head and body": writes("X: "+long(4000), 0, long(9000)),
}

// trailers writes a body, and then sets different trailers.
func trailers(fields, body string) noted {
	return func(w http.ResponseWriter, r *http.Request, note noteFunc) {
		writes(fields, 0, body)(w, r, note)
		for _, name := range []string{"X", "Y", "X-Z", "Content-Length", "Unannounced", http.TrailerPrefix + "X", http.TrailerPrefix + "Late", http.TrailerPrefix + "Bad Name"} {
			w.Header()[name] = []string{"of " + name, "a\nb"}
		}
	}
}

// askings are requests for a handler that may read them or not.
var askings = []string{
	get(), with("HEAD /a HTTP/1.1", "Host: h"), get("Connection: close"), post("hello", "Content-Length: 5"), with("HEAD /a HTTP/1.1", "Host: h", "Connection: close"),
	post("hello", "Content-Length: 5", "Connection: close"), with("GET /a HTTP/1.0"),
}

func TestAnswers(t *testing.T) {
	for name, handler := range answers {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, handler)
			for _, text := range askings {
				p.same(t, text)
			}
		})
	}
}

func TestOddHandlers(t *testing.T) {
	for name, handler := range oddHandlers {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, handler)
			for _, text := range askings {
				p.same(t, text)
			}
		})
	}
}

// panicking records the panic of a call.
func panicking(note noteFunc, call func()) {
	defer func() {
		if what := recover(); what != nil {
			note("panic: %v", what)
		}
	}()
	call()
}

var oddHandlers = map[string]noted{
	"nil date": func(w http.ResponseWriter, _ *http.Request, _ noteFunc) { w.Header()["Date"] = nil },
	"nil type": func(w http.ResponseWriter, _ *http.Request, _ noteFunc) {
		w.Header()["Content-Type"] = nil
		_, _ = io.WriteString(w, "<html>")
	},
	"changed after the head": func(w http.ResponseWriter, _ *http.Request, _ noteFunc) {
		h := w.Header()
		h.Set("X", "1")
		h.Set("Connection", "keep-alive")
		w.WriteHeader(201)
		h.Set("X", "2")
		h.Set("Y", "2")
		h.Set("Connection", "close")
		h.Set("Content-Length", "3")
		h.Set("Content-Type", "a/b")
		h.Del("Date")
		_, _ = io.WriteString(w, "<html>")
	},
	"early hints": func(w http.ResponseWriter, r *http.Request, note noteFunc) {
		for name, value := range map[string]string{"Link": "</a>", "Content-Type": "a/b", "Content-Length": "3", "Connection": "x", "Trailer": "T", "Date": "d"} {
			w.Header().Set(name, value)
		}
		w.WriteHeader(103)
		w.Header().Del("Trailer")
		w.WriteHeader(100)
		w.WriteHeader(199)
		w.Header().Del("Link")
		_, _ = io.WriteString(w, "abc")
	},
	"hints and prefixed trailers": func(w http.ResponseWriter, _ *http.Request, _ noteFunc) {
		w.Header().Set(http.TrailerPrefix+"X", "1")
		w.WriteHeader(103)
		w.Header().Del(http.TrailerPrefix + "X")
		_, _ = io.WriteString(w, "abc")
	},
	"hints after the head": func(w http.ResponseWriter, _ *http.Request, _ noteFunc) {
		w.WriteHeader(200)
		w.WriteHeader(103)
		_, _ = io.WriteString(w, "abc")
		w.WriteHeader(500)
	},
	"invalid status": func(w http.ResponseWriter, _ *http.Request, note noteFunc) {
		for _, status := range []int{0, -1, 99, 1000} {
			panicking(note, func() { w.WriteHeader(status) })
		}
		w.WriteHeader(202)
		panicking(note, func() { w.WriteHeader(0) })
	},
	"panic":        func(http.ResponseWriter, *http.Request, noteFunc) { panic("now") },
	"abort":        func(http.ResponseWriter, *http.Request, noteFunc) { panic(http.ErrAbortHandler) },
	"panic late":   panicAfter(writes("", 0, "hello")),
	"panic length": panicAfter(writes("Content-Length: 5", 0, "hello")),
	"panic long":   panicAfter(writes("", 0, long(3000))),
	"panic longer": panicAfter(writes("", 0, long(30000))),
	"panic short":  panicAfter(writes("Content-Length: 30000", 0, long(3000))),
	"panic sent":   panicAfter(flushes("", 0, "")),
	"panic hints":  panicAfter(writes("", 103)),
	"panic status": panicAfter(writes("", 404)),
	"deadlines": func(w http.ResponseWriter, r *http.Request, note noteFunc) {
		control := http.NewResponseController(w)
		note("%v", control.SetReadDeadline(time.Unix(1, 0)))
		body, err := io.ReadAll(r.Body)
		note("%q %v", body, errors.Is(err, os.ErrDeadlineExceeded))
		note("%v", control.SetWriteDeadline(time.Now().Add(testkit.Timeout)))
		_, _ = io.WriteString(w, "done")
	},
	"write too late": func(w http.ResponseWriter, _ *http.Request, note noteFunc) {
		control := http.NewResponseController(w)
		note("%v", control.SetWriteDeadline(time.Unix(1, 0)))
		_, _ = io.WriteString(w, long(3000))
		note("%v", errors.Is(control.Flush(), os.ErrDeadlineExceeded))
	},
	"closes by itself": func(w http.ResponseWriter, r *http.Request, _ noteFunc) {
		r.Close = !r.Close
		_, _ = io.WriteString(w, "a")
	},
}

func panicAfter(handler noted) noted {
	return func(w http.ResponseWriter, r *http.Request, note noteFunc) {
		handler(w, r, note)
		panic(http.ErrAbortHandler)
	}
}
