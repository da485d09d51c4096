package forward

import (
	"testing"

	"gatehouse/config"
)

// TestForbidden checks for each name who may not send it to a backend.
func TestForbidden(t *testing.T) {
	t.Parallel()
	policy := NewHeaderPolicy(&config.Config{Identity: config.Identity{Headers: map[string]string{"X-User-ID": "sub", "X-User-Email": "email"}}})
	tests := []struct {
		name                    string
		client, trusted, method bool // removed from a client's request, from a trusted proxy's, on a route with methods
	}{
		{"Accept", false, false, false},
		{"X-Request-Idx", false, false, false},
		{"", false, false, false},
		{"X-User-Id", true, true, true},
		{"x_user.id", true, true, true},
		{"X-Request-Id", true, true, true},
		{"Proxy", true, true, true},
		{"X-Forwarded-For", true, true, true}, // the gateway replaces it
		{"X-Forwarded-Server", true, false, true},
		{"X_Forwarded_Server", true, false, true},
		{"X-Original-Url", true, false, true},
		{"X-Original", false, false, false},
		{"X-Real-Ip", true, false, true},
		{"X_Real_Ip", true, true, true},
		{"X-Http-Method-Override", false, false, true},
		{"X_http_method", false, false, true},
	}
	for _, tt := range tests {
		for _, as := range []struct {
			who     string
			limited bool
			trusted bool
			gone    bool
		}{{"client", false, false, tt.client}, {"trusted proxy", false, true, tt.trusted}, {"client, route with methods", true, false, tt.method}} {
			if gone := policy.forbidden(tt.name, as.limited, as.trusted); gone != as.gone {
				t.Errorf("%q of a %s: forbidden %v, want %v", tt.name, as.who, gone, as.gone)
			}
		}
	}
}
