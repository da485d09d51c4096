package headers

import (
	"net/netip"
	"strings"

	"gatehouse/auth"
	"gatehouse/config"
	"gatehouse/proxy/route"
)

// Facts are what the placeholders of a value stand for.
type Facts struct {
	ClientIP  netip.Addr
	RequestID string
	Host      string // as the client sent it
	Route     string
	Identity  *auth.Identity // nil without a caller
}

// value is a compiled config.HeaderValue.
type value struct {
	fixed []string            // of a value without placeholders, for all requests; else nil
	parts []config.HeaderPart // of a value with placeholders
}

func newValue(text config.HeaderValue) value {
	parts := text.Parts()
	if len(parts) == 1 && parts[0].Text != "" {
		return value{fixed: []string{parts[0].Text}}
	}
	return value{parts: parts}
}

// text returns the value for a request. It returns "" when the value is empty, and when it
// has a byte that no header may have (RFC 9110 section 5.5): no part of a request ever
// ends a header line.
func (v *value) text(facts *Facts) string {
	if len(v.parts) == 1 {
		return checked(facts.part(&v.parts[0]))
	}
	var room [64]byte
	joined := room[:0]
	for i := range v.parts {
		joined = append(joined, facts.part(&v.parts[i])...)
	}
	return checked(string(joined))
}

// part returns what one part of a value stands for.
func (f *Facts) part(part *config.HeaderPart) string {
	switch {
	case part.Claim != "":
		return f.claim(part.Claim)
	case part.Text != "":
		return part.Text
	}
	switch part.Placeholder {
	case config.PlaceholderClientIP:
		if f.ClientIP.IsValid() {
			return f.ClientIP.String()
		}
	case config.PlaceholderRequestID:
		return f.RequestID
	case config.PlaceholderHost:
		name, _ := route.HostName(f.Host) // valid, because a route was found
		if strings.Contains(name, ":") {  // an IPv6 address
			return "[" + name + "]"
		}
		return name
	case config.PlaceholderRoute:
		return f.Route
	}
	return ""
}

// claim returns a claim of the caller's token. It returns "" without a caller, and for a
// claim that no header can carry.
func (f *Facts) claim(name string) string {
	if f.Identity == nil {
		return ""
	}
	return f.Identity.Claim(name)
}

// checked returns a text as the value of a header, without spaces at its ends. It returns
// "" for a text with a control character.
func checked(text string) string {
	for i := range len(text) {
		if c := text[i]; c < ' ' && c != '\t' || c == 0x7f {
			return ""
		}
	}
	if text == "" || !isSpace(text[0]) && !isSpace(text[len(text)-1]) { // strings.Trim alone costs as much as the rest
		return text
	}
	return strings.Trim(text, " \t")
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }
