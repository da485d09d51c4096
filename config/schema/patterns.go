// What one plain value may look like, as far as a regular expression can say
// it. A pattern may let through what check refuses; it never refuses what check
// takes, or an editor would underline a table that is right.

package schema

import (
	"strings"

	"gatehouse/config"
	"gatehouse/config/value"
)

// referencePattern is ${NAME} or ${NAME:-default}, as expand takes it.
const referencePattern = `\$\{[A-Za-z_][A-Za-z0-9_]*(?::-(?:[^$}]|\$+[^${}])*\$*)?\}`

// textPiece is the text around references: any character, dollars that begin none, and $${.
const textPiece = `(?:[^$]|\$+[^${]|\$\$+\{|` + referencePattern + `)*`

// Patterns of URLs, hosts and networks (RFC 3986 sections 3.2.2 and 3.3).
const (
	hostLabel    = `[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?`
	hostLastPart = `(?:[0-9]*[A-Za-z_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?|[0-9]+-[A-Za-z0-9_-]*[A-Za-z0-9_])` // not a number
	hostPattern  = `(?:` + hostLabel + `|(?:` + hostLabel + `\.)+` + hostLastPart + `)`
	ipv4Part     = `(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])`
	ipv4Pattern  = ipv4Part + `(?:\.` + ipv4Part + `){3}`
	ipv6Pattern  = `[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*`
	portPattern  = `(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])`
	anyScheme    = `[Hh][Tt][Tt][Pp][Ss]?`
	pathSegment  = `(?:\.{0,2}[^\x00-\x1f\x7f/?#;\\.][^\x00-\x1f\x7f/?#;\\]*|\.{3}[^\x00-\x1f\x7f/?#;\\]*)`
	// A # with nothing behind it is no fragment to net/url.
	backendPattern = `^` + anyScheme + `://(?:` + hostPattern + `|` + ipv4Pattern + `|\[[^\]/?#@]+\])(?::0*` + portPattern + `)?(?:/` + pathSegment + `)*/?#?$`
	networkPattern = `^(?:` + ipv4Pattern + `(?:/(?:3[0-2]|[12]?[0-9]))?|` + ipv6Pattern + `(?:/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$`
	matchedHost    = `^(?:(?:\*\.)?` + hostPattern + `|` + ipv4Pattern + `|\[?` + ipv6Pattern + `(?:%.*)?\]?)$`
	serverName     = `^(?:` + hostPattern + `|` + ipv4Pattern + `|` + ipv6Pattern + `(?:%.*)?)$`
	keysURL        = `^(?:[Hh][Tt][Tt][Pp][Ss]://[^/?#@]+|[Hh][Tt][Tt][Pp]://(?:localhost|127\.[0-9.]+|\[[^\]/?#@]+\])(?::[0-9]*)?)(?:[/?][^#]*)?#?$`
)

// Patterns of paths and requests.
const (
	pathByte = `[A-Za-z0-9_~!$&'()+,=:@-]` // but the dot
	// Escapes that are needed, in upper case, and may be in a path at all.
	pathEscape    = `%(?:2[0-9ABC]|3[A-F]|40|5[BDE]|60|7[BCD]|[89ABDEF][0-9A-F]|C[2-9A-F])`
	prefixSegment = `(?:\.{0,2}(?:` + pathByte + `|` + pathEscape + `)|\.{3})(?:\.|` + pathByte + `|` + pathEscape + `)*`
	prefixPattern = `^/(?:` + prefixSegment + `(?:/` + prefixSegment + `)*)?$`

	tokenBytes     = "!#$%&'*+.^_`|~0-9A-Za-z-"
	tokenPattern   = "^[" + tokenBytes + "]+$"
	methodBytes    = "!#$%&'*+.^_`|~0-9A-Z-"
	methodPattern  = "^[" + methodBytes + "]+$"
	requestPattern = "^[" + methodBytes + "]+ /[^\\x00-\\x20\\x7f#]*$"
	upgradePattern = "^[!#$%&'*+.^_`|~0-9a-z-]+$"
	namePattern    = `^(?:[A-Za-z]|[0-9]+[A-Za-z._-])[A-Za-z0-9._-]*$`
	statusPattern  = `^0*[1-5][0-9]{2}$`
)

// Patterns of other values.
const (
	durationPattern = `^\+?(?:0|(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)$`
	uuidPattern     = `^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`
	notBlank        = `\S`
	headerText      = `^[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$`
)

// Patterns of origins, and of those that may not go with credentials.
const (
	originClassPattern = `\[(?:[0-9](?:-[0-9])?|[a-z](?:-[a-z])?)+\]`
	originCharacter    = `(?:[a-z0-9_-]|` + originClassPattern + `)`
	originLabel        = `(?:\*?` + originCharacter + `(?:\*?` + originCharacter + `)*\*?|\*)`
	originPort         = `(?:` + portPattern + `|(?:[a-z0-9._:*-]|` + originClassPattern + `)*(?:\*|` + originClassPattern + `)(?:[a-z0-9._:*-]|` + originClassPattern + `)*)`
	originPattern      = `^(?:\*|[a-z0-9+.-]+://(?:` + originLabel + `(?:\.` + originLabel + `)*|\[[0-9a-f:.]+\])(?::` + originPort + `)?)$`

	originUsualPort = `^(?:http://(?:\[[^\]]*\]|[^:]*):80|https://(?:\[[^\]]*\]|[^:]*):443)$`
	originPublic    = `^(?:\*|[^:]+://(?:\*|[^:/]*\.[^.:]*[*\[][^.:]*|(?:[^:/]*\.)?[^.:/]*[*\[][^.:]*\.[^.:]+)(?::.*)?)$`
)

// countPattern is a whole number.
const countPattern = `^(?:0|[1-9][0-9]{0,9})$`

// sizePattern is a whole number with one of the units, or none.
func sizePattern() string {
	var names []string
	for _, u := range value.Units() {
		names = append(names, u.Name)
	}
	return `^(?:0|[1-9][0-9]*)(?:` + strings.Join(names, "|") + `)?$`
}

// reservedHeaderPattern is met by every spelling of the headers that cannot
// carry a claim.
func reservedHeaderPattern() string {
	return `^(?:(?:` + foldedPattern(config.ReservedHeaders()) + `)$|(?:` + foldedPattern(config.ReservedHeaderPrefixes()) + `))`
}

// unmatchedHeaderPattern is met by every spelling of the headers that a route
// cannot ask for.
func unmatchedHeaderPattern() string {
	return `^(?:[Hh][Oo][Ss][Tt]$|(?:` + foldedPattern(config.ProxyHeaderPrefixes()) + `))`
}

// perResponseHeaderPattern is met by every spelling of the headers that are about
// one answer.
func perResponseHeaderPattern() string {
	return `^(?:(?:` + foldedPattern(config.PerResponseHeaders()) + `)$|(?:` + foldedPattern([]string{"access-control-"}) + `))`
}

// foldedPattern is met by every spelling that foldHeader makes one of names.
func foldedPattern(names []string) string {
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteByte('|')
		}
		for _, c := range name {
			if c == '-' {
				b.WriteString(`[^0-9A-Za-z]`)
				continue
			}
			b.WriteString(`[` + strings.ToUpper(string(c)) + string(c) + `]`)
		}
	}
	return b.String()
}
