package store

// This file has the canonical form of an e-mail. One address can be typed in
// several ways that look the same: ü as one character or as u and a mark (NFC
// and NFD), a domain in Unicode or as xn--….

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// ErrEmailAmbiguous means that an e-mail stands for more than one user, and
// none of them is stored as it was typed (see EmailTwins). It wraps
// ErrNotFound, for callers that do not distinguish the two.
var ErrEmailAmbiguous = fmt.Errorf("%w: more than one has this e-mail in another form", ErrNotFound)

// maxEmailRows is more than the number of forms of one e-mail.
const maxEmailRows = 16

// EmailForm returns the canonical form of an e-mail: lower case, NFC, and the
// domain in Unicode according to IDNA 2008. AddUser stores this form, and
// attempts for an e-mail are counted under it. A domain that IDNA does not know
// is only converted to lower case and NFC.
func EmailForm(email string) string {
	email = strings.ToLower(email)
	if isASCII(email) && !strings.Contains(email, "xn--") {
		return email
	}
	name, domain, found := cutEmail(email)
	if !found {
		return foldNFC(email)
	}
	return foldNFC(name) + "@" + unicodeDomain(foldNFC(domain))
}

// cutEmail cuts an e-mail at the last @.
func cutEmail(email string) (name, domain string, found bool) {
	at := strings.LastIndexByte(email, '@')
	if at < 0 {
		return email, "", false
	}
	return email[:at], email[at+1:], true
}

// foldNFC returns the text in lower case and NFC. Each step may undo the other
// one once.
func foldNFC(text string) string {
	return norm.NFC.String(strings.ToLower(norm.NFC.String(text)))
}

// unicodeDomain decodes the labels of a domain that can be encoded again. An
// invalid xn-- label stays as it is.
func unicodeDomain(domain string) string {
	decoded, err := idna.Lookup.ToUnicode(domain)
	if err != nil {
		return domain
	}
	if _, err := idna.Lookup.ToASCII(decoded); err != nil {
		return domain
	}
	return foldNFC(decoded)
}

// emailForms returns the forms in which other programs, such as the original
// gateway, may have stored an e-mail: what was typed, and each usual spelling
// of its name and domain. Most e-mails have one form.
func emailForms(email string) []string {
	form := EmailForm(email)
	forms := []string{strings.ToLower(email), form}
	if name, domain, found := cutEmail(form); found {
		domains := []string{domain, norm.NFD.String(domain)}
		if encoded, err := idna.Lookup.ToASCII(domain); err == nil {
			domains = append(domains, encoded)
		}
		for _, domain := range domains {
			forms = append(forms, name+"@"+domain, norm.NFD.String(name)+"@"+domain)
		}
	}
	slices.Sort(forms)
	return slices.Compact(forms)
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
}

// emailMatch is how close a user's e-mail is to the one that was typed.
type emailMatch int

const (
	sameEmail   emailMatch = iota // in lower case
	sameInStore                   // equal by the database's lower(), as in the original gateway
	sameInCase                    // equal by our lower case, which covers all letters
	sameInForm
)

// usersByEmail returns the users that are stored with one of the forms of an
// e-mail, by how close each is.
func (s *sqlStore) usersByEmail(ctx context.Context, email string) (map[emailMatch][]User, error) {
	args, places := []any{email}, []string{"lower(CAST($1 AS text))"}
	for _, form := range emailForms(email) {
		args = append(args, form)
		places = append(places, fmt.Sprintf("CAST($%d AS text)", len(args)))
	}
	statement := `SELECT ` + userColumns + `, lower(email) = lower(CAST($1 AS text)) FROM users
		WHERE lower(email) IN (` + strings.Join(places, ", ") + fmt.Sprintf(`) LIMIT %d`, maxEmailRows)
	lower := strings.ToLower(email)
	found := map[uuid.UUID]User{} // the statement may run twice
	matches := map[uuid.UUID]emailMatch{}
	err := s.exec(ctx, reads, statement, args, func(r row) error {
		inStore := false
		user, err := scanUser(r, &inStore)
		found[user.ID] = user
		switch {
		case user.Email == lower:
			matches[user.ID] = sameEmail
		case inStore:
			matches[user.ID] = sameInStore
		case strings.ToLower(user.Email) == lower:
			matches[user.ID] = sameInCase
		default:
			matches[user.ID] = sameInForm
		}
		return err
	})
	byMatch := map[emailMatch][]User{}
	for id, user := range found {
		byMatch[matches[id]] = append(byMatch[matches[id]], user)
	}
	return byMatch, err
}

// userByEmail returns the user whose e-mail is closest to the one that was
// typed. When several are equally close, it is an error.
func (s *sqlStore) userByEmail(ctx context.Context, email string) (User, error) {
	found, err := s.usersByEmail(ctx, email)
	if err != nil {
		return User{}, err
	}
	for match := sameEmail; match <= sameInForm; match++ {
		switch users := found[match]; len(users) {
		case 0:
		case 1:
			return users[0], nil
		default:
			return User{}, ErrEmailAmbiguous
		}
	}
	return User{}, ErrNotFound
}

// EmailTwins implements Store. In memory it keeps only e-mails in other than
// the canonical form, and their twins.
func (s *sqlStore) EmailTwins(ctx context.Context) ([][]string, error) {
	others := map[string][]string{}
	each := func(visit func(email, form string)) error {
		return s.query(ctx, `SELECT email FROM users WHERE email IS NOT NULL`, nil, func(r row) error {
			var email string
			if err := r.Scan(&email); err != nil {
				return err
			}
			visit(email, EmailForm(email))
			return nil
		})
	}
	err := each(func(email, form string) {
		if strings.ToLower(email) != form {
			others[form] = nil
		}
	})
	if err != nil || len(others) == 0 {
		return nil, wrap("find twins of e-mails", err)
	}
	err = each(func(email, form string) {
		if _, odd := others[form]; odd {
			others[form] = append(others[form], email)
		}
	})
	var twins [][]string
	for _, group := range others {
		if len(group) > 1 {
			slices.Sort(group)
			twins = append(twins, group)
		}
	}
	slices.SortFunc(twins, slices.Compare)
	return twins, wrap("find twins of e-mails", err)
}
