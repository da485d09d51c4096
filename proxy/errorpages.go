package proxy

import (
	"html"
	"net/http"
	"strconv"
	"strings"

	"gatehouse/config"
	"gatehouse/internal/httperr"
)

// errorPages are the pages of `errors:`. They replace the JSON of the gateway's own errors
// for clients that prefer HTML. They never change.
type errorPages struct {
	byStatus map[int]*errorPage // a key below 10 stands for a class of statuses
}

// errorPage is one page: text, and the places in it that depend on the error.
type errorPage struct {
	file  string // as the table names it
	parts []pagePart
}

// pagePart is some text of a page, and what follows it.
type pagePart struct {
	text []byte
	then placeholder
}

// placeholder is what a page has in place of a name in braces.
type placeholder int

const (
	noPlaceholder placeholder = iota
	placeholderID
	placeholderStatus
	placeholderDetail
)

// placeholderAt returns the placeholder that a text begins with, and its length. Other
// braces have no meaning, because styles and scripts have many.
func placeholderAt(text string) (found placeholder, length int) {
	for at, name := range [...]string{placeholderID: "{request_id}", placeholderStatus: "{status}", placeholderDetail: "{detail}"} {
		if name != "" && strings.HasPrefix(text, name) {
			return placeholder(at), len(name)
		}
	}
	return noPlaceholder, 0
}

// newErrorPages reads the pages of a table. It returns nil for a table without any. The
// error has all pages that cannot be read, with their places.
func newErrorPages(cfg *config.Config) (*errorPages, error) {
	if len(cfg.Errors) == 0 {
		return nil, nil
	}
	texts, err := cfg.ReadErrorPages()
	if err != nil {
		return nil, err
	}
	p := &errorPages{byStatus: map[int]*errorPage{}}
	parsed := map[string]*errorPage{}
	for file, text := range texts {
		parsed[file] = parsePage(file, text)
	}
	for key, page := range cfg.Errors {
		status, _ := config.ErrorPageStatus(key) // validated
		p.byStatus[status] = parsed[page.File]
	}
	return p, nil
}

// parsePage finds the placeholders of a page.
func parsePage(file, text string) *errorPage {
	page := &errorPage{file: file}
	begin := 0
	for at := 0; at < len(text); at++ {
		if found, length := placeholderAt(text[at:]); found != noPlaceholder {
			page.parts = append(page.parts, pagePart{[]byte(text[begin:at]), found})
			begin = at + length
			at = begin - 1
		}
	}
	page.parts = append(page.parts, pagePart{[]byte(text[begin:]), noPlaceholder})
	return page
}

// of returns the page for a status, or nil.
func (p *errorPages) of(status int) *errorPage {
	if p == nil {
		return nil
	}
	if page := p.byStatus[status]; page != nil {
		return page
	}
	return p.byStatus[status/100]
}

// write answers with the refusal: with a page, if there is one and the client prefers it,
// or in JSON.
func (p *errorPages) write(w http.ResponseWriter, r *http.Request, refusal *httperr.Error) {
	page := p.of(refusal.Status)
	if page == nil {
		refusal.WriteTo(w)
		return
	}
	w.Header().Add("Vary", "Accept")
	if !prefersHTML(r.Header["Accept"]) {
		refusal.WriteTo(w)
		return
	}
	page.write(w, refusal)
}

// write answers with the page.
func (p *errorPage) write(w http.ResponseWriter, refusal *httperr.Error) {
	header := w.Header()
	values := [...]string{
		placeholderID:     html.EscapeString(header.Get("X-Request-ID")),
		placeholderStatus: strconv.Itoa(refusal.Status),
		placeholderDetail: html.EscapeString(refusal.Detail),
	}
	length := 0
	for _, part := range p.parts {
		length += len(part.text) + len(values[part.then])
	}
	refusal.SetHeaders(header)
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(length))
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(refusal.Status)
	for _, part := range p.parts {
		for _, text := range [...][]byte{part.text, []byte(values[part.then])} {
			if len(text) > 0 {
				_, _ = w.Write(text) // only the client's connection can fail
			}
		}
	}
}

// ErrorPage returns the file of the page that replaces the gateway's own errors with this
// status for clients that prefer HTML, or "".
func (t *Table) ErrorPage(status int) string {
	page := t.pages.of(status)
	if page == nil {
		return ""
	}
	return page.file
}
