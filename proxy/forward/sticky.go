package forward

import (
	"net/http"
	"strings"
	"time"

	"gatehouse/proxy/backend"
)

// This file keeps a client at one server of its backend with a cookie. Backends never see
// the cookie.

// preferred returns the server of the request's sticky cookie, or nil.
func (t *Transfer) preferred() *backend.Server {
	servers := t.backend.servers
	sticky := servers.Config().Sticky
	if sticky == nil {
		return nil
	}
	for _, cookie := range t.In.CookiesNamed(sticky.Cookie) {
		if server := servers.Tagged(cookie.Value); server != nil {
			t.balanced.renews = servers.Tag(server) != cookie.Value
			return server
		}
	}
	return nil
}

// stick adds the sticky cookie to an answer, unless the client has that of the server which
// has answered. One that was made with an old key is replaced.
func (t *Transfer) stick(res *http.Response) {
	servers, server := t.backend.servers, t.balanced.server
	sticky := servers.Config().Sticky
	if sticky == nil || server == t.balanced.preferred && !t.balanced.renews {
		return
	}
	tag := servers.Tag(server)
	if tag == "" {
		return
	}
	scheme, _ := t.Caller.Scheme(t.In)
	cookie := http.Cookie{
		Name: sticky.Cookie, Value: tag, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: scheme == "https",
		MaxAge: int(sticky.TTL / time.Second),
	}
	res.Header.Add("Set-Cookie", cookie.String())
}

// withoutSticky returns the values of Cookie without the sticky cookie.
func (b *Backend) withoutSticky(values []string) []string {
	sticky := b.servers.Config().Sticky
	if sticky == nil {
		return values
	}
	var kept []string
	for _, line := range values {
		if !strings.Contains(line, sticky.Cookie) {
			kept = append(kept, line)
			continue
		}
		var pairs []string
		for pair := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if strings.TrimSpace(name) != sticky.Cookie && pair != "" {
				pairs = append(pairs, strings.TrimSpace(pair))
			}
		}
		if len(pairs) > 0 {
			kept = append(kept, strings.Join(pairs, "; "))
		}
	}
	return kept
}
