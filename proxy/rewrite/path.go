package rewrite

import (
	"fmt"
	"strings"

	"gatehouse/config"
	"gatehouse/config/pathexp"
	"gatehouse/config/problem"
	"gatehouse/proxy/route"
)

// MaxPath is the length of the longest path that is matched, in bytes. A match may look at
// each step of an expression for each byte of the path: 64 KiB cost a tenth of a second.
const MaxPath = 8 << 10

// Path is the compiled `rewrite` of a route. It never changes.
type Path struct {
	from           *pathexp.Expression
	to             *pathexp.Template
	encodedSlashes bool // the route allows them
}

// NewPath compiles the rewrite of a validated route. The error is a problem.Problem when
// the rewrite makes a path that is not canonical from a path of the route. Only some short
// paths are tried; for all others, Apply refuses.
func NewPath(cfg *config.Route) (*Path, error) {
	from, f := pathexp.Parse(cfg.Rewrite.From)
	if f != nil {
		return nil, fmt.Errorf("rewrite: from: %s", f.Reason)
	}
	to, f := pathexp.ParseTemplate(cfg.Rewrite.To, from.Groups())
	if f != nil {
		return nil, fmt.Errorf("rewrite: to: %s", f.Reason)
	}
	p := &Path{from: from, to: to, encodedSlashes: cfg.AllowEncodedSlashes}
	for _, sample := range p.Samples(cfg.Prefix) {
		if _, ok := p.Apply(sample); !ok {
			return nil, problem.Problem{
				Position: cfg.Position,
				Message:  fmt.Sprintf("route %q: rewrite makes %s of %s, which is no canonical path", cfg.Name, p.apply(sample), sample),
				Hint:     "such a request is answered 502: let `from` match less, or move the slash out of the group",
			}
		}
	}
	return p, nil
}

// Apply returns the path that the backend gets for the raw canonical path of a request,
// which has at most MaxPath bytes.
// It is the same path when the expression does not match it. Escapes that no path needs
// are decoded before, so that nobody can avoid the rewrite with them. ok is false when the new
// path is not canonical.
func (p *Path) Apply(path string) (rewritten string, ok bool) {
	rewritten = p.apply(path)
	if rewritten == path {
		return path, true
	}
	return rewritten, p.isCanonical(rewritten)
}

func (p *Path) apply(path string) string {
	plain := pathexp.Normal(path)
	match := p.from.Find(plain)
	if match == nil {
		return path
	}
	return p.to.Expand(plain, match)
}

// isCanonical reports whether a path could also come from a client.
func (p *Path) isCanonical(path string) bool {
	parsed, ok := route.ParsePath(path)
	return ok && parsed.Raw == path && (p.encodedSlashes || !parsed.EncodedSlash)
}

// Samples returns some short paths at or below the prefix that are rewritten.
func (p *Path) Samples(prefix string) []string {
	var list []string
	for _, sample := range p.from.Samples() {
		rest, below := strings.CutPrefix(sample, strings.TrimSuffix(prefix, "/"))
		if below && (rest == "" || rest[0] == '/') && p.isCanonical(sample) {
			list = append(list, sample)
		}
	}
	return list
}
