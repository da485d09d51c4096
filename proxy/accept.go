package proxy

import (
	"strconv"
	"strings"
)

// Media types that an error can have.
const (
	typeHTML = "text/html"
	typeJSON = "application/json"
)

// acceptance is how much a client wants a media type (RFC 9110 section 12.5.1).
type acceptance struct {
	quality   float64
	precision int // of the range that decides: 0 none, 1 */*, 2 type/*, 3 type/subtype
}

// prefersHTML reports whether an Accept asks for HTML rather than for JSON. With equal
// qualities, the more precise range decides, as in "text/html, */*". "*/*" alone does not
// ask for HTML.
func prefersHTML(accept []string) bool {
	var html, json acceptance
	for _, list := range accept {
		for one := range strings.SplitSeq(list, ",") {
			mediaRange, parameters, _ := strings.Cut(one, ";")
			mediaRange = strings.TrimSpace(mediaRange)
			html.note(mediaRange, parameters, typeHTML)
			json.note(mediaRange, parameters, typeJSON)
		}
	}
	switch {
	case html.quality == 0:
		return false
	case html.quality != json.quality:
		return html.quality > json.quality
	}
	return html.precision > json.precision
}

// note takes over the quality of a media range, if it is more precise than all before.
func (a *acceptance) note(mediaRange, parameters, mediaType string) {
	precision := precisionOf(mediaRange, mediaType)
	if precision <= a.precision {
		return
	}
	if quality, ok := qualityOf(parameters); ok {
		a.quality, a.precision = quality, precision
	}
}

// precisionOf returns how precisely a media range matches a media type; 0 means that it
// does not.
func precisionOf(mediaRange, mediaType string) int {
	kind, _, _ := strings.Cut(mediaType, "/")
	switch {
	case strings.EqualFold(mediaRange, mediaType):
		return 3
	case len(mediaRange) == len(kind)+2 && strings.EqualFold(mediaRange[:len(kind)], kind) && mediaRange[len(kind):] == "/*":
		return 2
	case mediaRange == "*/*":
		return 1
	}
	return 0
}

// qualityOf returns the weight among the parameters of a media range; ok is false when it
// is malformed.
func qualityOf(parameters string) (quality float64, ok bool) {
	for one := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(one, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		value = strings.TrimSpace(value)
		if len(value) > len("0.000") || strings.Trim(value, "0123456789.") != "" {
			return 0, false
		}
		quality, err := strconv.ParseFloat(value, 64)
		return quality, err == nil && quality <= 1
	}
	return 1, true
}
