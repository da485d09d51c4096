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
