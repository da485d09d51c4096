package account

// This file checks e-mail addresses.

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrEmail means that a text is not an e-mail address.
var ErrEmail = errors.New("value is not a valid email address: want a name, an @-sign and a domain with a dot")

// CheckEmail returns ErrEmail unless the text is an ordinary e-mail address:
// words separated by dots (RFC 5322 section 3.2.3, with the letters of RFC
// 6531), an @-sign, and a domain name. It refuses quoted names, comments,
// display names and IP addresses. It makes no DNS query.
func CheckEmail(email string) error {
	name, domain, _ := strings.Cut(email, "@")
	ok := len(email) <= 254 && len(name) <= 64 && // RFC 5321 section 4.5.3.1, less the angle brackets
		utf8.ValidString(email) && isDotAtom(name) && isDomain(domain)
	if !ok {
		return ErrEmail
	}
	return nil
}

func isDotAtom(name string) bool {
	for word := range strings.SplitSeq(name, ".") {
		if word == "" || strings.ContainsFunc(word, func(r rune) bool {
			return !isLetterOrDigit(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
		}) {
			return false
		}
	}
	return true
}

// isDomain reports whether the text has two labels or more (RFC 1035 section
// 2.3.1) and the last one is not a number. This excludes IP addresses.
func isDomain(domain string) bool {
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
			strings.ContainsFunc(label, func(r rune) bool { return r != '-' && !isLetterOrDigit(r) }) {
			return false
		}
	}
	return len(labels) >= 2 && strings.ContainsFunc(labels[len(labels)-1], unicode.IsLetter)
}

// isLetterOrDigit also accepts marks, because some scripts write vowels with
// them.
func isLetterOrDigit(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}
