package compress

import (
	"slices"
	"strconv"
	"strings"

	"gatehouse/config"
)

// choose returns the coding for a client, or "" for none. accept are the values of
// Accept-Encoding (RFC 9110 section 12.5.3). offered are the codings of a route; of those
// that the client prefers alike, the first wins. Without Accept-Encoding every coding is
// acceptable, but such clients are mostly too simple for one.
func choose(accept []string, offered []config.Coding) config.Coding {
	if len(accept) == 0 {
		return ""
	}
	var room [8]weighted
	listed, anyOther := room[:0], -1.0 // of "*"; less than 0 when it is not listed
	for _, list := range accept {
		for item := range strings.SplitSeq(list, ",") {
			name, q, ok := parseItem(item)
			switch {
			case !ok:
			case name == "*":
				anyOther = q
			default:
				listed = append(listed, weighted{name, q})
			}
		}
	}
	quality := func(name string, otherwise float64) float64 {
		for _, one := range listed {
			if strings.EqualFold(one.name, name) || name == string(config.CodingGzip) && strings.EqualFold(one.name, "x-gzip") {
				return one.q
			}
		}
		if anyOther >= 0 {
			return anyOther
		}
		return otherwise
	}
	best, bestQ := config.Coding(""), 0.0
	for _, coding := range offered {
		if q := quality(string(coding), 0); q > bestQ {
			best, bestQ = coding, q
		}
	}
	if slices.ContainsFunc(listed, isIdentity) && quality("identity", 0) > bestQ {
		return ""
	}
	return best
}

// weighted is one item of Accept-Encoding.
type weighted struct {
	name string
	q    float64
}

func isIdentity(item weighted) bool { return strings.EqualFold(item.name, "identity") }

// parseItem parses one item of Accept-Encoding, such as "gzip;q=0.5" (RFC 9110 section
// 12.4.2). It reports false for an item that is not valid.
func parseItem(item string) (name string, q float64, ok bool) {
	name, weight, given := strings.Cut(item, ";")
	name = strings.Trim(name, " \t")
	if !given {
		return name, 1, name != ""
	}
	key, value, _ := strings.Cut(weight, "=")
	if !strings.EqualFold(strings.Trim(key, " \t"), "q") {
		return "", 0, false
	}
	value = strings.Trim(value, " \t")
	if len(value) == 0 || len(value) > len("0.000") || strings.Trim(value, "0123456789.") != "" {
		return "", 0, false
	}
	q, err := strconv.ParseFloat(value, 64)
	return name, q, err == nil && q <= 1 && name != ""
}
