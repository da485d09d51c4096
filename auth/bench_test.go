package auth

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/uuid"

	"gatehouse/config"
)

// oneUser is in memory: what is measured is the Gate.
type oneUser UserState

func (u oneUser) UserState(context.Context, uuid.UUID) (UserState, error) { return UserState(u), nil }

func BenchmarkGateStrict(b *testing.B) {
	verifier := NewVerifier(secretKeys(b, secretOfTests), nil, atNoon)
	gate := NewGate(verifier, oneUser{Active: true, CompanyID: &acme, Role: "user"})
	header := http.Header{"Authorization": {"Bearer " + signed(b, claims(nil))}}
	rule := Rule{Policy: config.PolicyStrict}
	b.ReportAllocs()
	for b.Loop() {
		if _, refusal := gate.Decide(b.Context(), header, rule); refusal != nil {
			b.Fatal(refusal)
		}
	}
}
