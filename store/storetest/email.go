package storetest

// This file has the contract about different forms of one e-mail.

import (
	"testing"

	"gatehouse/store"
)

// forms are groups of equal e-mails, each with the stored form first.
var forms = [][]string{
	{"j\u00fcrgen@example.com", "ju\u0308rgen@example.com", "JU\u0308RGEN@Example.COM", "J\u00dcRGEN@example.com"},
	{"ann@b\u00fccher.example", "ann@xn--bcher-kva.example", "Ann@XN--BCHER-KVA.example", "ann@bu\u0308cher.example", "ann@B\u00dcCHER.example"},
	{"j\u00fcrgen@b\u00fccher.example", "ju\u0308rgen@xn--bcher-kva.example", "ju\u0308rgen@bu\u0308cher.example", "j\u00fcrgen@xn--bcher-kva.example"},
	{"ann@xn--a.example", "Ann@XN--A.example"}, // not a valid encoding
}

func testEmailForms(t *testing.T, s store.Store) {
	for _, group := range forms {
		added := add(t, s, group[len(group)-1])
		if added.Email != group[0] {
			t.Errorf("%+q is stored as %+q, want %+q", group[len(group)-1], added.Email, group[0])
		}
		for _, form := range group {
			if found, err := s.UserByEmail(t.Context(), form); err != nil || found.ID != added.ID {
				t.Errorf("UserByEmail(%+q) = %+q, %v", form, found.Email, err)
			}
			_, err := s.AddUser(t.Context(), store.User{Email: form})
			wantError(t, "adding "+form+" again", err, store.ErrEmailTaken)
		}
	}
	if twins, err := s.EmailTwins(t.Context()); err != nil || len(twins) > 0 {
		t.Errorf("twins: %+q, %v", twins, err)
	}
}
