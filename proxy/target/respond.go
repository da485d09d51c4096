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

// Digest returns a short digest of the body, to compare it with another.
func (r *Respond) Digest() string {
	sum := sha256.Sum256(r.body)
	return hex.EncodeToString(sum[:4])
}

// Location returns "": the answer is no redirect.
func (r *Respond) Location(*http.Request) string { return "" }

// The answers to conditions and ranges that a body does not meet.
var (
	ErrRange        = &httperr.Error{Status: http.StatusRequestedRangeNotSatisfiable, Detail: "The requested range is not satisfiable."}
	ErrPrecondition = &httperr.Error{Status: http.StatusPreconditionFailed, Detail: "A precondition of the request failed."}
)

// Answer writes the answer. It answers conditional requests and ranges when the status is
// 200; those of other statuses have no meaning (RFC 9110 sections 13.2.1 and 14.2). It
// returns ErrPrecondition or ErrRange without writing anything; with ErrRange, there is the
// header field Content-Range.
func (r *Respond) Answer(w http.ResponseWriter, request *http.Request) *httperr.Error {
	answer := w.Header()
	for _, h := range r.headers {
		answer[h.name] = h.values[:1:1]
	}
	if r.status == http.StatusOK {
		return r.answerContent(w, request)
	}
	w.WriteHeader(r.status)
	if request.Method != http.MethodHead && len(r.body) > 0 {
		_, _ = w.Write(r.body) // only the client's connection can fail
	}
	return nil
}

// answerContent answers with status 200, or as the conditions and the range of the request
// want it.
func (r *Respond) answerContent(w http.ResponseWriter, request *http.Request) *httperr.Error {
	asked := request.Header
	content := bytes.NewReader(r.body)
	if len(asked["Range"]) == 0 && len(asked["If-Match"]) == 0 && (len(asked["If-None-Match"]) == 0 || isRead(request.Method)) {
		http.ServeContent(w, request, "", time.Time{}, content)
		return nil
	}
	if len(asked["Range"]) > 0 && !hasRange(request) {
		request = withoutRange(request)
	}
	answer := &contentWriter{ResponseWriter: w}
	http.ServeContent(answer, request, "", time.Time{}, content)
	if answer.refusal != nil {
		for _, h := range r.headers {
			delete(w.Header(), h.name)
		}
	}
	return answer.refusal
}

// maxRanges is the largest number of ranges in one answer. Each costs a header of its own,
// so that many small ones cost much more than the whole body (RFC 9110 section 17.15).
const maxRanges = 16

// hasRange reports whether a request has a Range that counts, in the one unit that there
// is. Only GET defines ranges, and HEAD is answered like GET (RFC 9110 section 14.2).
func hasRange(request *http.Request) bool {
	values := request.Header["Range"]
	return len(values) == 1 && strings.HasPrefix(values[0], "bytes=") && strings.Count(values[0], ",") < maxRanges && isRead(request.Method)
}

func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// withoutRange returns a copy of a request without its Range, which is then answered with
// the whole body.
func withoutRange(request *http.Request) *http.Request {
	whole := *request
	whole.Header = maps.Clone(request.Header)
	delete(whole.Header, "Range")
	return &whole
}

// contentWriter keeps back the errors of http.ServeContent, which have no JSON.
type contentWriter struct {
	http.ResponseWriter
	refusal *httperr.Error
}

// WriteHeader implements http.ResponseWriter.
func (w *contentWriter) WriteHeader(status int) {
	switch status {
	case http.StatusRequestedRangeNotSatisfiable:
		w.refusal = ErrRange
	case http.StatusPreconditionFailed:
		w.refusal = ErrPrecondition
	default:
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (w *contentWriter) Write(p []byte) (int, error) {
	if w.refusal != nil {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap returns the wrapped ResponseWriter, for http.ResponseController.
func (w *contentWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
