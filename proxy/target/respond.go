package target

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gatehouse/config"
	"gatehouse/config/textfile"
	"gatehouse/internal/httperr"
)

// defaultType is the media type of a body, and of a file whose extension is unknown.
const defaultType = "text/plain; charset=utf-8"

// Respond answers requests with a fixed answer: a status, headers, and a body that was in
// the table or in a file.
type Respond struct {
	status  int
	body    []byte
	headers []header
}

type header struct {
	name   string
	values []string
}

// NewRespond returns the handler of a validated answer. It reads the file of the answer,
// whose path is relative to folder. That is the folder of the file that has the route. When it returns an
// error, the answer has the right status, and no body.
func NewRespond(cfg *config.Respond, folder string) (*Respond, error) {
	r := &Respond{status: int(cfg.Status), body: []byte(cfg.Body)}
	kind, err := cfg.ContentType, error(nil)
	if cfg.File != "" {
		if r.body, err = textfile.ReadBelow(folder, cfg.File, config.MaxAnswerFile); err != nil {
			err = fmt.Errorf("respond: read file %s: %w", cfg.File, err)
		}
		if kind == "" {
			kind = mime.TypeByExtension(filepath.Ext(cfg.File))
		}
	}
	if kind == "" {
		kind = defaultType
	}
	if cfg.File != "" || cfg.Body != "" {
		r.add("Content-Type", kind)
		r.add("X-Content-Type-Options", "nosniff")
	}
	if r.status == http.StatusOK {
		sum := sha256.Sum256(r.body)
		r.add("Etag", `"`+hex.EncodeToString(sum[:16])+`"`)
	} else if r.status != http.StatusNoContent && r.status != http.StatusNotModified { // RFC 9110 section 8.6
		r.add("Content-Length", strconv.Itoa(len(r.body)))
	}
	for name, value := range cfg.Headers {
		r.add(http.CanonicalHeaderKey(name), value)
	}
	return r, err
}

func (r *Respond) add(name, value string) {
	r.headers = append(r.headers, header{name, []string{value}})
}

// Status returns the status of the answers. Answers to conditional requests and to ranges
// may have another.
func (r *Respond) Status() int { return r.status }

// Location returns "": the answer is no redirect.
func (r *Respond) Location(*http.Request) string { return "" }

// ErrRange is the answer to a request for bytes that the body does not have.
var ErrRange = &httperr.Error{Status: http.StatusRequestedRangeNotSatisfiable, Detail: "The requested range is not satisfiable."}

// Answer writes the answer. It answers conditional requests and ranges when the status is
// 200; those of other statuses have no meaning (RFC 9110 sections 13.2.1 and 14.2). It
// returns ErrRange without writing anything, but with the header field Content-Range.
func (r *Respond) Answer(w http.ResponseWriter, request *http.Request) *httperr.Error {
	answer := w.Header()
	for _, h := range r.headers {
		answer[h.name] = h.values[:1:1]
	}
	switch {
	case r.status == http.StatusOK && len(request.Header["Range"]) > 0:
		return r.answerRange(w, request)
	case r.status == http.StatusOK:
		http.ServeContent(w, request, "", time.Time{}, bytes.NewReader(r.body))
		return nil
	}
	w.WriteHeader(r.status)
	if request.Method != http.MethodHead && len(r.body) > 0 {
		_, _ = w.Write(r.body) // only the client's connection can fail
	}
	return nil
}

// maxRanges is the largest number of ranges in one answer. Each costs a header of its own,
// so that many small ones cost much more than the whole body (RFC 9110 section 17.15).
const maxRanges = 16

// hasRange reports whether a request has a Range that counts. Only GET defines ranges, and
// HEAD is answered like GET (RFC 9110 section 14.2).
func hasRange(request *http.Request) bool {
	values := request.Header["Range"]
	return len(values) == 1 && strings.Count(values[0], ",") < maxRanges &&
		(request.Method == http.MethodGet || request.Method == http.MethodHead)
}

// withoutRange returns a copy of a request without its Range, which is then answered with
// the whole body.
func withoutRange(request *http.Request) *http.Request {
	whole := *request
	whole.Header = maps.Clone(request.Header)
	delete(whole.Header, "Range")
	return &whole
}

// answerRange answers a request with a Range field.
func (r *Respond) answerRange(w http.ResponseWriter, request *http.Request) *httperr.Error {
	if !hasRange(request) {
		request = withoutRange(request)
	}
	ranged := &rangeWriter{ResponseWriter: w}
	http.ServeContent(ranged, request, "", time.Time{}, bytes.NewReader(r.body))
	if !ranged.refused {
		return nil
	}
	answer := w.Header()
	for _, h := range r.headers {
		delete(answer, h.name)
	}
	return ErrRange
}

// rangeWriter keeps back the 416 of http.ServeContent, which has a body of plain text.
type rangeWriter struct {
	http.ResponseWriter
	refused bool
}

// WriteHeader implements http.ResponseWriter.
func (w *rangeWriter) WriteHeader(status int) {
	if status == http.StatusRequestedRangeNotSatisfiable {
		w.refused = true
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *rangeWriter) Write(p []byte) (int, error) {
	if w.refused {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap returns the wrapped ResponseWriter, for http.ResponseController.
func (w *rangeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
