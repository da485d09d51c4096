package explain

import (
	"maps"
	"slices"
	"strings"

	"gatehouse/config"
)

// changesOf returns the changes to headers, or none for nil.
func changesOf(rules *config.HeaderRules) config.HeaderRules {
	if rules == nil {
		return config.HeaderRules{}
	}
	return *rules
}

// rulesText returns changes to headers as text, or "" for none. Their values may be
// secrets.
func rulesText(rules *config.HeaderRules) string {
	changes := changesOf(rules)
	var parts []string
	for _, part := range []struct{ change, headers string }{
		{"remove", strings.Join(slices.Sorted(slices.Values(changes.Remove)), ", ")}, {"set", digests(changes.Set)}, {"add", digests(changes.Add)},
	} {
		if part.headers != "" {
			parts = append(parts, part.change+" "+part.headers)
		}
	}
	return strings.Join(parts, "; ")
}

// loosenedHeaders reports the headers of requests that a client can choose now. Before,
// the gateway removed or set them.
func loosenedHeaders(before, after *config.HeaderRules, add func(what, before, after string)) {
	old, now := changesOf(before), changesOf(after)
	kept := map[string]string{} // folded names that are still set or removed
	for _, name := range now.Remove {
		kept[config.FoldHeader(name)] = name
	}
	for name := range now.Set {
		kept[config.FoldHeader(name)] = name
	}
	const open = "clients may send it"
	for _, name := range slices.Sorted(maps.Keys(old.Set)) {
		folded := config.FoldHeader(name)
		switch as, isKept := kept[folded]; {
		case !isKept:
			add("request_headers: "+name, "set", open)
		case !chosenByClient(old.Set[name]) && chosenByClient(now.Set[as]):
			add("request_headers: "+name, digest(string(old.Set[name])), digest(string(now.Set[as]))+", with a part that clients choose")
		case !slices.Equal(claimsIn(old.Set[name]), claimsIn(now.Set[as])): // backends would read one claim for the other
			add("request_headers: "+name, valueText(old.Set[name]), valueText(now.Set[as]))
		}
	}
	for _, name := range old.Remove {
		if _, isKept := kept[config.FoldHeader(name)]; !isKept {
			add("request_headers: "+name, "removed", open)
		}
	}
}

// chosenByClient reports whether a value has a part that a client chooses freely.
func chosenByClient(value config.HeaderValue) bool {
	return slices.ContainsFunc(value.Parts(), func(part config.HeaderPart) bool {
		return part.Placeholder == config.PlaceholderHost || part.Placeholder == config.PlaceholderRequestID
	})
}

// claimsIn returns the claims that a value has, in their order.
func claimsIn(value config.HeaderValue) (claims []string) {
	for _, part := range value.Parts() {
		if part.Claim != "" {
			claims = append(claims, part.Claim)
		}
	}
	return claims
}

// HeaderChange is what the table does to one header of the answers to a request.
type HeaderChange struct {
	Change string `json:"change"` // set, add or remove
	Name   string `json:"name"`
	Value  string `json:"value,omitempty"` // with placeholders; "" for remove
}

// answerChanges returns the changes to the headers of an answer in the order in which they
// apply: those of the table, then those of the route. It omits a change that a later one
// undoes.
func answerChanges(table, route *config.HeaderRules) (list []HeaderChange) {
	replace := func(change HeaderChange) {
		list = slices.DeleteFunc(list, func(earlier HeaderChange) bool {
			return config.FoldHeader(earlier.Name) == config.FoldHeader(change.Name)
		})
		list = append(list, change)
	}
	for _, rules := range []config.HeaderRules{changesOf(table), changesOf(route)} {
		for _, name := range rules.Remove {
			replace(HeaderChange{Change: "remove", Name: name})
		}
		for _, name := range slices.Sorted(maps.Keys(rules.Set)) {
			replace(HeaderChange{"set", name, valueText(rules.Set[name])})
		}
		for _, name := range slices.Sorted(maps.Keys(rules.Add)) {
			list = append(list, HeaderChange{"add", name, valueText(rules.Add[name])})
		}
	}
	return list
}

// valueText returns a value with its placeholders as it is written, but with single
// braces for literal ones.
func valueText(value config.HeaderValue) string {
	var b strings.Builder
	for _, part := range value.Parts() {
		b.WriteString(part.Text + part.Placeholder)
		if part.Claim != "" {
			b.WriteString("{claim." + part.Claim + "}")
		}
	}
	return b.String()
}

// protectingHeaders are headers of answers that make a browser stricter, in lower case.
func protectingHeaders() []string {
	return []string{
		"content-security-policy", "cross-origin-embedder-policy", "cross-origin-opener-policy", "cross-origin-resource-policy", "permissions-policy",
		"referrer-policy", "strict-transport-security", "x-content-type-options", "x-frame-options", "x-permitted-cross-domain-policies",
	}
}

// loosenedAnswers reports the changes to the headers of every answer that allow more.
func (d *Diff) loosenedAnswers(before, after *config.HeaderRules) {
	d.compareAnswers("", answerChanges(nil, before), answerChanges(nil, after), nil)
}

// loosenedRoute reports the same for the answers of one route. It omits what
// loosenedAnswers has reported for the whole table.
func (d *Diff) loosenedRoute(before, after *config.Config, old, now *config.Route) {
	if old.ResponseHeaders == nil && now.ResponseHeaders == nil {
		return
	}
	tableOld, tableNow := before.ResponseHeaders.Rules(), after.ResponseHeaders.Rules()
	reported := new(Diff)
	reported.loosenedAnswers(tableOld, tableNow)
	d.compareAnswers("route "+now.Name+": ", answerChanges(tableOld, old.ResponseHeaders), answerChanges(tableNow, now.ResponseHeaders), reported.Weaker)
}

// compareAnswers adds what the answers of a place allow now, and did not before: a header
// that protects is not sent any more, a header of the backend is not removed any more, or
// pages of other origins may read more.
func (d *Diff) compareAnswers(place string, before, after []HeaderChange, except []string) {
	weaker := func(line string) {
		if !slices.Contains(except, line) {
			d.Weaker = append(d.Weaker, place+line)
		}
	}
	for _, old := range before {
		folded := config.FoldHeader(old.Name)
		now := slices.IndexFunc(after, func(c HeaderChange) bool { return config.FoldHeader(c.Name) == folded })
		removed := now >= 0 && after[now].Change == "remove"
		switch {
		case old.Change == "remove" && !slices.Contains(protectingHeaders(), folded) && (now < 0 || after[now].Change == "add"):
			weaker("response_headers: " + old.Name + " removed → the backend's is sent")
		case old.Change == "set" && slices.Contains(protectingHeaders(), folded) && (now < 0 || removed):
			weaker("response_headers: " + old.Name + " set → not set")
		}
	}
	for _, now := range after {
		folded := config.FoldHeader(now.Name)
		switch known := slices.ContainsFunc(before, func(c HeaderChange) bool {
			return config.FoldHeader(c.Name) == folded && c.Change == now.Change && c.Value == now.Value
		}); {
		case known:
		case now.Change == "remove" && slices.Contains(protectingHeaders(), folded):
			if !slices.ContainsFunc(before, func(c HeaderChange) bool { return config.FoldHeader(c.Name) == folded && c.Change == "set" }) { // reported above
				weaker("response_headers: " + now.Name + " the backend's is sent → removed")
			}
		case now.Change != "remove" && strings.HasPrefix(folded, "access-control-allow-"):
			weaker("response_headers: " + now.Name + " → " + digest(now.Value))
		}
	}
}
