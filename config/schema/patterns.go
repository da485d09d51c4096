// This file has patterns for plain values, as far as a regular expression can
// check them. A pattern may accept what check refuses. It must not refuse what
// check accepts, or an editor would mark a valid table as wrong.

package schema

import (
	"slices"
	"strings"

	"gatehouse/config"
	"gatehouse/config/value"
)

// referencePattern matches ${NAME} or ${NAME:-default}, as expand reads it.
const referencePattern = `\$\{[A-Za-z_][A-Za-z0-9_]*(?::-(?:[^$}]|\$+[^${}])*\$*)?\}`

// textPiece matches text around references: any character, a $ that begins no
// reference, and $${.
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
	// net/url reads a # with nothing after it as no fragment.
	backendPattern = `^` + anyScheme + `://(?:` + hostPattern + `|` + ipv4Pattern + `|\[[^\]/?#@]+\])(?::0*` + portPattern + `)?(?:/` + pathSegment + `)*/?#?$`
	networkPattern = `^(?:` + ipv4Pattern + `(?:/(?:3[0-2]|[12]?[0-9]))?|` + ipv6Pattern + `(?:/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$`
	addressPattern = `^(?:` + ipv4Pattern + `|` + ipv6Pattern + `(?:%.+)?)$`
	// The name of a backend is no number.
	backendNamePattern = `^(?:[A-Za-z]|[0-9]+[A-Za-z_-])[A-Za-z0-9_-]*$`
	srvPattern         = `^_[A-Za-z0-9_-]+\._[Tt][Cc][Pp]\.[A-Za-z0-9_.-]+$`
	addressSetPattern  = `^[A-Za-z][A-Za-z0-9_-]*$`
	errorKeyPattern    = `^(?:[45][0-9][0-9]|[45]xx)$`
	matchedHost        = `^(?:(?:\*\.)?` + hostPattern + `|` + ipv4Pattern + `|\[?` + ipv6Pattern + `(?:%.*)?\]?)$`
	serverName         = `^(?:` + hostPattern + `|` + ipv4Pattern + `|` + ipv6Pattern + `(?:%.*)?)$`
	keysURL            = `^(?:[Hh][Tt][Tt][Pp][Ss]://[^/?#@]+|[Hh][Tt][Tt][Pp]://(?:localhost|127\.[0-9.]+|\[[^\]/?#@]+\])(?::[0-9]*)?)(?:[/?][^#]*)?#?$`
)

// Patterns of paths and requests.
const (
	pathByte = `[A-Za-z0-9_~!$&'()+,=:@-]` // except the dot
	// Escapes that are necessary and allowed in a path, in upper case.
	pathEscape    = `%(?:2[0-9ABC]|3[A-F]|40|5[BDE]|60|7[BCD]|[89ABDEF][0-9A-F]|C[2-9A-F])`
	prefixSegment = `(?:\.{0,2}(?:` + pathByte + `|` + pathEscape + `)|\.{3})(?:\.|` + pathByte + `|` + pathEscape + `)*`
	prefixPattern = `^/(?:` + prefixSegment + `(?:/` + prefixSegment + `)*)?$`

	// The host of a URL has no user name and no {rest}.
	redirectText    = `(?:[!-"$-\[\]-z|~]|\{rest\}|\{host\})*`
	redirectPattern = `^(?:/(?:[!-"$-.0-\[\]-z|~]|\{rest\}|\{host\})` + redirectText + `|/|` +
		anyScheme + `://(?:[A-Za-z0-9._:\[\]-]|\{host\})+(?:[/?]` + redirectText + `)?)$`

	// A group is followed by no letter, digit or _.
	rewriteToPattern = `^/(?:[A-Za-z0-9_~!&'()+,=:@*./-]|` + rewriteEscape + `|(?:\$[1-9])+(?:[~!&'()+,=:@*./-]|` + rewriteEscape + `|$))*$`
	rewriteEscape    = `%[0-9A-F]{2}|\$\$`

	tokenBytes          = "!#$%&'*+.^_`|~0-9A-Za-z-"
	tokenPattern        = "^[" + tokenBytes + "]+$"
	methodBytes         = "!#$%&'*+.^_`|~0-9A-Z-"
	methodPattern       = "^[" + methodBytes + "]+$"
	requestPattern      = "^[" + methodBytes + "]+ /[^\\x00-\\x20\\x7f#]*$"
	upgradePattern      = "^[!#$%&'*+.^_`|~0-9a-z-]+$"
	namePattern         = `^(?:[A-Za-z]|[0-9]+[A-Za-z._-])[A-Za-z0-9._-]*$`
	healthPathPattern   = `^/[!-"$-~]*$`
	grpcServicePattern  = `^[A-Za-z0-9._-]*$`
	positivePattern     = `^[1-9][0-9]{0,9}$`
	statusRangePattern  = `^ *[2-5][0-9]{2} *(?:- *[2-5][0-9]{2} *)?$`
	percentPattern      = `^[0-9.]+ *%?$`
	zeroPattern         = `^[^1-9]*$` // a number that is 0, with or without a unit
	answerStatusPattern = `^[2-5][0-9]{2}$`
)

// Patterns of other values.
const (
	durationPattern  = `^\+?(?:0|(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)$`
	uuidPattern      = `^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`
	claimNamePattern = `^[^.\s](?:[^.]*[^.\s])?(?:\.[^.]+)*$`
	notBlank         = `\S`
	mediaTypePattern = `/`
	answerHeaderText = `^[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x08\x0a-\x1f\x7f]*$`
	headerText       = `^[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$`
)

// Patterns of origins, and of origins that are not allowed with credentials.
const (
	originClassPattern = `\[(?:[0-9](?:-[0-9])?|[a-z](?:-[a-z])?)+\]`
	originCharacter    = `(?:[a-z0-9_-]|` + originClassPattern + `)`
	originLabel        = `(?:\*?` + originCharacter + `(?:\*?` + originCharacter + `)*\*?|\*)`
	originPort         = `(?:` + portPattern + `|(?:[a-z0-9._:*-]|` + originClassPattern + `)*(?:\*|` + originClassPattern + `)(?:[a-z0-9._:*-]|` + originClassPattern + `)*)`
	originPattern      = `^(?:\*|[a-z0-9+.-]+://(?:` + originLabel + `(?:\.` + originLabel + `)*|\[[0-9a-f:.]+\])(?::` + originPort + `)?)$`

	originUsualPort = `^(?:http://(?:\[[^\]]*\]|[^:]*):80|https://(?:\[[^\]]*\]|[^:]*):443)$`
	originPublic    = `^(?:\*|[^:]+://(?:\*|[^:/]*\.[^.:]*[*\[][^.:]*|(?:[^:/]*\.)?[^.:/]*[*\[][^.:]*\.[^.:]+)(?::.*)?)$`
)

// countPattern matches a whole number.
const countPattern = `^(?:0|[1-9][0-9]{0,9})$`

// sizePattern returns a pattern for a whole number with or without a unit.
func sizePattern() string {
	var names []string
	for _, u := range value.Units() {
		names = append(names, u.Name)
	}
	return `^(?:0|[1-9][0-9]*)(?:` + strings.Join(names, "|") + `)?$`
}

// reservedHeaderPattern returns a pattern for every spelling of the headers
// that cannot carry a claim.
func reservedHeaderPattern() string {
	return `^(?:(?:` + foldedPattern(config.ReservedHeaders()) + `)$|(?:` + foldedPattern(config.ReservedHeaderPrefixes()) + `))`
}

// unmatchedHeaderPattern returns a pattern for every spelling of the headers
// that a route cannot match.
func unmatchedHeaderPattern() string {
	return `^(?:[Hh][Oo][Ss][Tt]$|(?:` + foldedPattern(config.ProxyHeaderPrefixes()) + `))`
}

// unchangedHeaderPattern returns a pattern for every spelling of the headers of requests
// that a route cannot change, and of others.
func unchangedHeaderPattern(others ...string) string {
	names := slices.Concat(config.OwnRequestHeaders(), config.FramingHeaders(), others)
	return `^(?:\*|(?:` + foldedPattern(names) + `)$|(?:` + foldedPattern(config.FramingHeaderPrefixes()) + `))`
}

// unchangedAnswerPattern returns a pattern for every spelling of the headers of answers
// that no rule may change, and of others.
func unchangedAnswerPattern(others ...string) string {
	names := append(config.UnchangedResponseHeaders(), others...)
	return `^(?:\*|(?:` + foldedPattern(names) + `)$|(?:` + foldedPattern(config.FramingHeaderPrefixes()) + `))`
}

// perResponseHeaderPattern returns a pattern for every spelling of the headers
// that describe one answer.
func perResponseHeaderPattern() string {
	return `^(?:(?:` + foldedPattern(config.PerResponseHeaders()) + `)$|(?:` + foldedPattern([]string{"access-control-"}) + `))`
}

// fixedAnswerHeaderPattern returns a pattern for every spelling of the headers
// that a fixed answer cannot set.
func fixedAnswerHeaderPattern() string {
	return `^(?:(?:` + foldedPattern(config.FixedAnswerHeaders()) + `)$|(?:` + foldedPattern(config.FixedAnswerHeaderPrefixes()) + `))`
}

// foldedPattern returns a pattern for every spelling that FoldHeader turns into
// one of the names.
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
