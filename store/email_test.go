package store_test

// This file tests e-mails that others have stored in other forms.

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"gatehouse/store"
	"gatehouse/store/storetest"
)

// FuzzEmailForm holds that the one form of an e-mail is its own form, whatever
// somebody types.
func FuzzEmailForm(f *testing.F) {
	for _, email := range []string{
		"Ann@Example.com", "ju\u0308rgen@bu\u0308cher.example", "ann@xn--bcher-kva.example", "a@xn--.example", "\u212a@\uff25x.example",
		"\u0130@\u0130.example", "@", "a@b@xn--bcher-kva.c", "\xff@\xff", "a@fa\u00df.de", "a@\u1e9e.de",
	} {
		f.Add(email)
	}
	f.Fuzz(func(t *testing.T, email string) {
		form := store.EmailForm(email)
		if again := store.EmailForm(form); again != form {
			t.Errorf("%+q becomes %+q, and that %+q", email, form, again)
		}
		if upper := store.EmailForm(strings.ToLower(email)); upper != form {
			t.Errorf("%+q becomes %+q, in lower case %+q", email, form, upper)
		}
	})
}

// TestEmailTwins takes over a table in which one e-mail stands in several forms.
// No account is lost or merged, each logs in with what is stored, and what could
// mean two means none.
func TestEmailTwins(t *testing.T) {
	t.Parallel()
	const (
		nfc, nfd         = "j\u00fcrgen@example.com", "ju\u0308rgen@example.com"
		encoded, decoded = "ann@xn--bcher-kva.example", "ann@bu\u0308cher.example"
		alone            = "bu\u0308rger@example.com"
	)
	for kind, url := range freshURLs(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			migrated(t, url)
			ids := map[string]uuid.UUID{}
			for _, email := range []string{nfc, nfd, encoded, decoded, alone} {
				ids[email] = uuid.New()
				insertBeside(t, url, ids[email], email)
			}
			s := migrated(t, url)
			twins, err := s.EmailTwins(t.Context())
			if want := [][]string{{decoded, encoded}, {nfd, nfc}}; err != nil || !slices.EqualFunc(twins, want, slices.Equal) {
				t.Errorf("twins %+q, %v; want %+q", twins, err, want)
			}
			for email, id := range ids {
				if user, err := s.UserByEmail(t.Context(), strings.ToUpper(email[:1])+email[1:]); err != nil || user.ID != id || user.Email != email {
					t.Errorf("%+q: %+v, %v", email, user, err)
				}
			}
			if user, err := s.UserByEmail(t.Context(), "b\u00fcrger@example.com"); err != nil || user.ID != ids[alone] {
				t.Errorf("the only one in another form: %+v, %v", user, err)
			}
			_, err = s.UserByEmail(t.Context(), "ann@b\u00fccher.example")
			if !errors.Is(err, store.ErrEmailAmbiguous) || !errors.Is(err, store.ErrNotFound) {
				t.Errorf("what means two: %v", err)
			}
			for _, email := range []string{nfc, "ann@b\u00fccher.example", "b\u00fcrger@example.com"} {
				if _, err := s.AddUser(t.Context(), store.User{Email: email}); !errors.Is(err, store.ErrEmailTaken) {
					t.Errorf("add %+q: %v", email, err)
				}
			}
		})
	}
}

// insertBeside inserts a row as another program would.
func insertBeside(t *testing.T, url string, id uuid.UUID, email string) {
	t.Helper()
	insert := fmt.Sprintf("INSERT INTO users (id, email, hashed_password) VALUES ('%s', '%s', 'x')", id, email)
	storetest.RawSQL(t, url)(insert)
}
