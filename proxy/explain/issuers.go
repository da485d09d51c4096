package explain

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gatehouse/config"
)

// issuers compares the other issuers of tokens, by name. A change is weaker when tokens
// are accepted that were not before, or when a claim of theirs now means another of ours.
func issuers(changed report, before, after []config.Issuer) {
	old := map[string]config.Issuer{}
	for _, issuer := range before {
		old[issuer.Issuer] = issuer
	}
	for _, now := range after {
		was, found := old[now.Issuer]
		delete(old, now.Issuer)
		key := "tokens of " + now.Issuer
		if !found {
			changed(key, "", issuerText(now), true)
			continue
		}
		if publicURL(was.Keys) == publicURL(now.Keys) { // so that a change of the query is shown, too
			changed(key+": keys", "query "+digest(was.Keys), "query "+digest(now.Keys), true)
		} else {
			changed(key+": keys", publicURL(was.Keys), publicURL(now.Keys), true)
		}
		changed(key+": audience", orAny(audienceText(was)), orAny(audienceText(now)), len(was.Audience) > 0 && isWidened(was.Audience, now.Audience))
		changed(key+": algorithms", strings.Join(was.Algorithms, " "), strings.Join(now.Algorithms, " "), isWidened(was.Algorithms, now.Algorithms))
		changed(key+": claims", claimNamesText(was), claimNamesText(now), true)
		changed(key+": leeway", was.Leeway.String(), now.Leeway.String(), now.Leeway > was.Leeway)
	}
	for _, issuer := range before {
		if gone, still := old[issuer.Issuer]; still {
			changed("tokens of "+gone.Issuer, issuerText(gone), "", false)
		}
	}
}

// issuerText returns an issuer as text, without its name.
func issuerText(issuer config.Issuer) string {
	return fmt.Sprintf("keys %s, audience %s, %s", publicURL(issuer.Keys), orAny(audienceText(issuer)), strings.Join(issuer.Algorithms, " "))
}

func audienceText(issuer config.Issuer) string {
	return strings.Join(slices.Sorted(slices.Values(issuer.Audience)), " or ")
}

func claimNamesText(issuer config.Issuer) string {
	var names []string
	for _, ours := range slices.Sorted(maps.Keys(issuer.Claims)) {
		names = append(names, ours+"="+issuer.Claims[ours])
	}
	return strings.Join(names, ", ")
}

// publicURL returns a URL without its query, which may be a secret.
func publicURL(text string) string {
	address, _, _ := strings.Cut(text, "?")
	return address
}
