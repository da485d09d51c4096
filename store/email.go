package store

// This file is the one form of an e-mail. The same address can be typed in
// several ways that no eye tells apart: ü as one character or as u and a mark
// (NFC and NFD), a domain in Unicode or as xn--….

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

// ErrEmailAmbiguous says that an e-mail means more than one user, none of whom
// is stored as it was typed (see EmailTwins). To a caller that does not look for
// it, it is ErrNotFound.
var ErrEmailAmbiguous = fmt.Errorf("%w: more than one has this e-mail in another form", ErrNotFound)

// maxEmailRows is more than there are forms of one e-mail.
const maxEmailRows = 16

// EmailForm is the one form of an e-mail: lower case, NFC, and the domain in
// Unicode as IDNA 2008 has it. AddUser stores it, and whatever is counted for an
// e-mail is counted under it. A domain that IDNA does not know is left in lower
// case and NFC.
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

// cutEmail cuts at the last @.
func cutEmail(email string) (name, domain string, found bool) {
	at := strings.LastIndexByte(email, '@')
	if at < 0 {
		return email, "", false
	}
	return email[:at], email[at+1:], true
}

// foldNFC is the lower case in NFC. Either may undo the other, once.
func foldNFC(text string) string {
	return norm.NFC.String(strings.ToLower(norm.NFC.String(text)))
}

// unicodeDomain decodes the labels of a domain, if they can be encoded again: an
// xn-- label that means nothing stays as it is.
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

// emailForms are the forms that an e-mail may be stored in by others, such as
// the original gateway: what was typed, and each of the usual spellings of its
// name and its domain. Most e-mails have one.
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

// emailMatch is how near the e-mail of a user is to one that was typed.
type emailMatch int

const (
	sameEmail   emailMatch = iota // in lower case
	sameInStore                   // by the database's lower(), as the original gateway compared
	sameInCase                    // by ours, which lowers all letters
	sameInForm
)

// usersByEmail finds who is stored with one of the forms of an e-mail, and how
// near each is.
func (s *sqlStore) usersByEmail(ctx context.Context, email string) (map[emailMatch][]User, error) {
	args, places := []any{email}, []string{"lower(CAST($1 AS text))"}
	for _, form := range emailForms(email) {
		args = append(args, form)
		places = append(places, fmt.Sprintf("CAST($%d AS text)", len(args)))
	}
	statement := `SELECT ` + userColumns + `, lower(email) = lower(CAST($1 AS text)) FROM users
		WHERE lower(email) IN (` + strings.Join(places, ", ") + fmt.Sprintf(`) LIMIT %d`, maxEmailRows)
	lower := strings.ToLower(email)
	found := map[uuid.UUID]User{} // the statement may be run twice
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

// userByEmail chooses the one that an e-mail means: the one nearest to what was
// typed. Of several as near nobody can tell which is meant.
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

// EmailTwins implements Store. It holds in memory only e-mails in a form other
// than the one, and their twins.
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
