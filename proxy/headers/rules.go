package headers

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"gatehouse/config"
)

// Rules are compiled config.HeaderRules. They never change.
type Rules struct {
	set, add []field
	replaced Names    // of remove and set
	names    []string // the same, in canonical form
}

// field is a header that is set or added.
type field struct {
	name string // canonical
	value
}

// NewRules returns the compiled rules. It returns nil for rules that change nothing.
func NewRules(cfg *config.HeaderRules) *Rules {
	if cfg == nil || len(cfg.Set)+len(cfg.Add)+len(cfg.Remove) == 0 {
		return nil
	}
	r := &Rules{set: newFields(cfg.Set), add: newFields(cfg.Add)}
	for _, name := range cfg.Remove {
		r.names = append(r.names, textproto.CanonicalMIMEHeaderKey(name))
	}
	for _, f := range r.set {
		r.names = append(r.names, f.name)
	}
	r.replaced = NewNames(r.names...)
	return r
}

// newFields returns the fields sorted by name, so that all replicas send them in one order.
func newFields(values map[string]config.HeaderValue) []field {
	fields := make([]field, 0, len(values))
	for name, text := range values {
		fields = append(fields, field{textproto.CanonicalMIMEHeaderKey(name), newValue(text)})
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return fields
}

// Replaces reports whether the rules remove or set the header, in any spelling. Then the
// values of others are dropped.
func (r *Rules) Replaces(name string) bool { return r.replaced.Has(name) }

// HasAdded reports whether some header is added, so that others may have set it before.
func (r *Rules) HasAdded() bool { return len(r.add) > 0 }

// Sends reports whether the rules set or add one of the headers. The names are canonical.
func (r *Rules) Sends(names ...string) bool {
	is := func(f field) bool { return slices.Contains(names, f.name) }
	return slices.ContainsFunc(r.set, is) || slices.ContainsFunc(r.add, is)
}

// Each calls put for every header that is set, then for those that are added. It omits
// those whose value is empty. single returns a list with one value, and may have room for
// it. put must not change the list.
func (r *Rules) Each(facts *Facts, single func(value string) []string, put func(name string, values []string)) {
	for _, fields := range [...][]field{r.set, r.add} {
		for i := range fields {
			f := &fields[i]
			if f.fixed != nil {
				put(f.name, f.fixed)
			} else if text := f.text(facts); text != "" {
				put(f.name, single(text))
			}
		}
	}
}

// ChangeAnswer changes the header of an answer.
func (r *Rules) ChangeAnswer(header http.Header, facts *Facts) {
	r.RemoveFrom(header)
	for i := range r.set {
		if values := r.set[i].values(facts); values != nil {
			header[r.set[i].name] = values
		}
	}
	for i := range r.add {
		name, values := r.add[i].name, r.add[i].values(facts)
		if before := header[name]; len(before) > 0 && values != nil {
			values = slices.Concat(before, values)
		}
		if values != nil {
			header[name] = values
		}
	}
}

// RemoveFrom deletes the headers that the rules remove or set, such as a backend's from an
// informational answer.
func (r *Rules) RemoveFrom(header http.Header) {
	for _, name := range r.names {
		delete(header, name)
	}
}

// values returns the values of a field, or nil when it is empty. Nobody may change them.
func (f *field) values(facts *Facts) []string {
	if f.fixed != nil {
		return f.fixed
	}
	if text := f.text(facts); text != "" {
		return []string{text}
	}
	return nil
}
