package proxy

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"gatehouse/proxy/target"
	"gatehouse/proxy/upstream"
)

// Contents are what the files of a route have in them, in a form that can be compared and
// shown. A digest is "" without a file.
type Contents struct {
	Users       map[string]string // users of `basic`, with digests of what their passwords are compared with
	Answer      string            // digest of the file of `respond`
	Authorities string            // see upstream.AuthoritiesDigest
}

// Contents returns the contents of the files of the route with this number (see
// route.Route). Those of an included file's `tls` are read now.
func (t *Table) Contents(number int) Contents {
	r := t.routes[number]
	c := Contents{Users: map[string]string{}}
	if r.realm != nil {
		c.Users = r.realm.Digests()
	}
	if fixed, ok := r.answer.(*target.Respond); ok && r.config.Respond.File != "" {
		c.Answer = fixed.Digest()
	}
	c.Authorities = upstream.AuthoritiesDigest(r.config.TLS)
	return c
}

// BackendAuthorities returns a digest of the authorities that a named backend trusts; see
// upstream.AuthoritiesDigest.
func (t *Table) BackendAuthorities(name string) string {
	of := t.config.Backends[name]
	if of == nil {
		return ""
	}
	return upstream.AuthoritiesDigest(of.TLS)
}

// ErrorPageDigest returns a digest of the page that ErrorPage names, or "".
func (t *Table) ErrorPageDigest(status int) string {
	page := t.pages.of(status)
	if page == nil {
		return ""
	}
	sum := sha256.New()
	page.writeTo(sum)
	return hex.EncodeToString(sum.Sum(nil)[:4])
}

func (p *errorPage) writeTo(sum hash.Hash) {
	for _, part := range p.parts {
		_, _ = sum.Write(part.text) // a hash returns no error
		_, _ = sum.Write([]byte{0, byte(part.then)})
	}
}
