// This file decodes the types of backends.go that have a syntax of their own.

package config

import (
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

// DecodeField decodes the backend of a route: a URL, a name, or names with weights.
func (b *BackendRef) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	switch {
	case f.IsMapping():
		var weights map[string]weight
		d.Table(f, reflect.ValueOf(&weights).Elem())
		for _, name := range slices.Sorted(maps.Keys(weights)) {
			b.Shares = append(b.Shares, Share{Name: name, Weight: value.Count(weights[name])})
		}
		return
	case !f.IsPlain():
		f.FailKind("a URL, the name of a backend, or names with weights", "define several servers in `backends`, and write its name here")
		return
	}
	text, ok := d.Text(f)
	if !ok {
		return
	}
	if !isBackendName(text) {
		d.Scalar(f, reflect.ValueOf(&b.URL).Elem())
		return
	}
	share := Share{Weight: 1}
	d.Scalar(f, reflect.ValueOf(&share.Name).Elem())
	b.Shares = []Share{share}
}

// isBackendName reports whether a text is the name of a backend, not a URL.
func isBackendName(text string) bool {
	return text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}

// DecodeField decodes a server, which is a URL or a mapping.
func (s *Server) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if f.IsPlain() {
		d.ApplyDefault(reflect.ValueOf(s).Elem())
		d.Scalar(f, reflect.ValueOf(&s.URL).Elem())
		return
	}
	if d.HasKind(f, reflect.TypeFor[Server]()) {
		written := struct {
			URL    *url.URL `yaml:"url"`
			Weight weight   `yaml:"weight"`
		}{Weight: 1}
		d.Mapping(f, reflect.ValueOf(&written).Elem(), yamldoc.Except{})
		s.URL, s.Weight = written.URL, value.Count(written.Weight)
	}
}

// weight is the weight of a server or of a side of a split. It is a Count whose 0 means
// none, not "no bound".
type weight value.Count

// DecodeField decodes a weight.
func (w *weight) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if !d.HasKind(f, reflect.TypeFor[value.Count]()) {
		return
	}
	text, ok := d.Text(f)
	if !ok {
		return
	}
	count, fault := value.ParseCount(text)
	if fault != nil {
		f.Reject(&problem.Fault{Reason: "not a weight", Hint: "a whole number, such as 3; 0 gets no request"})
		return
	}
	*w = weight(count)
}

// hashClientIP is the plain value of `hash` and of `split_by`.
const hashClientIP = "client_ip"

// DecodeField decodes what chooses a server or a side: client_ip, or a mapping.
func (h *HashKey) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if f.IsMapping() {
		d.Mapping(f, reflect.ValueOf(h).Elem(), yamldoc.Except{})
		return
	}
	if !f.IsPlain() {
		f.FailKind("client_ip or a mapping", "such as {header: X-Tenant}")
		return
	}
	text, ok := d.Text(f)
	if !ok {
		return
	}
	if text != hashClientIP {
		f.Reject(problem.OneOf("value", text, hashClientIP, "{header: …}", "{cookie: …}", "{claim: …}"))
		return
	}
	h.ClientIP = true
}

// DecodeField decodes a status such as 204, or a range such as 200-299.
func (r *StatusRange) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if !d.HasKind(f, reflect.TypeFor[string]()) {
		return
	}
	text, ok := d.Text(f)
	if !ok {
		return
	}
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	var first, second *problem.Fault
	r.From, first = value.ParseStatus(strings.TrimSpace(from))
	r.To, second = value.ParseStatus(strings.TrimSpace(to))
	switch {
	case first != nil || second != nil:
		f.Reject(&problem.Fault{Reason: "not a status or a range of them", Hint: "such as 204 or 200-299"})
	case r.From > r.To:
		f.Reject(&problem.Fault{Reason: "the range ends before it begins", Write: r.To.String() + "-" + r.From.String()})
	}
}

// String returns the range as it is written.
func (r StatusRange) String() string {
	if r.From == r.To {
		return r.From.String()
	}
	return r.From.String() + "-" + r.To.String()
}

// DecodeField decodes `passive:`, which is a mapping or the word off.
func (p *Passive) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	p.Off = orOff(d, f, reflect.ValueOf(p).Elem(), "such as `passive: {fails: 5}`; omit it for the defaults")
}

// DecodeField decodes `retry:`, which is a mapping or the word off.
func (r *Retry) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	r.Off = orOff(d, f, reflect.ValueOf(r).Elem(), "such as `retry: {attempts: 3}`; omit it for the defaults")
}

// DecodeField decodes a cause. It keeps a status, which YAML reads as a number, as text.
func (c *RetryCause) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if !d.HasKind(f, reflect.TypeFor[RetryCause]()) {
		return
	}
	if text, ok := d.Text(f); ok {
		*c = RetryCause(text)
	}
}

// DecodeField decodes a share of 100: 20% or 0.5%.
func (p *Percent) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if !d.HasKind(f, reflect.TypeFor[string]()) {
		return
	}
	text, ok := d.Text(f)
	if !ok {
		return
	}
	number := strings.TrimSpace(strings.TrimSuffix(text, "%"))
	share, err := strconv.ParseFloat(number, 64)
	if err != nil || strings.Trim(number, "0123456789.") != "" {
		f.Reject(&problem.Fault{Reason: "not a percentage", Hint: "such as 20%"})
		return
	}
	if share > 100 {
		f.Reject(&problem.Fault{Reason: "is more than 100%"})
		return
	}
	*p = Percent(share)
}

// String returns the share as it is written.
func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%" }

// The decoder finds these types by this method.
var (
	_ yamldoc.FieldDecoder = (*BackendRef)(nil)
	_ yamldoc.FieldDecoder = (*Server)(nil)
	_ yamldoc.FieldDecoder = (*weight)(nil)
	_ yamldoc.FieldDecoder = (*HashKey)(nil)
	_ yamldoc.FieldDecoder = (*StatusRange)(nil)
	_ yamldoc.FieldDecoder = (*Passive)(nil)
	_ yamldoc.FieldDecoder = (*Retry)(nil)
	_ yamldoc.FieldDecoder = (*RetryCause)(nil)
	_ yamldoc.FieldDecoder = (*Percent)(nil)
)
