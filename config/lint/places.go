// This file finds routes that lead to the same servers.

package lint

import (
	"net/url"

	"gatehouse/config"
)

// place is where a route leads: a server; or a named backend, for its servers that
// nothing else names. So two routes to a backend of 300 servers meet once, not 300 times.
type place struct {
	key string   // equal for two routes that lead to the same place
	url *url.URL // of the server, or of one of the backend
}

// placesOf returns the places of named backends. Those of other references follow from
// them; see places.
func placesOf(table *config.Config) map[string][]place {
	if len(table.Backends) == 0 {
		return nil
	}
	named := map[string]int{} // how many backends and URLs name a server
	for _, backend := range table.Backends {
		for _, server := range backend.URLs() {
			named[serverKey(server)]++
		}
	}
	for i := range table.Routes {
		for _, ref := range []*config.BackendRef{table.Routes[i].Backend, mirrored(&table.Routes[i])} {
			if ref.IsURL() {
				named[serverKey(ref.URL)]++
			}
		}
	}
	places := make(map[string][]place, len(table.Backends))
	for name, backend := range table.Backends {
		all := backend.URLs()
		places[name] = []place{{"backend " + name, all[0]}}
		for _, server := range all {
			if key := serverKey(server); named[key] > 1 {
				places[name] = append(places[name], place{key, server})
			}
		}
	}
	return places
}

// places returns where the requests of a reference go.
func (l *linter) places(ref *config.BackendRef) []place {
	if ref == nil {
		return nil
	}
	if ref.IsURL() {
		return []place{{serverKey(ref.URL), ref.URL}}
	}
	var all []place
	for _, share := range ref.Shares {
		all = append(all, l.named[share.Name]...)
	}
	return all
}

// reached returns where the requests of a route go, and copies of them: a copy of a
// request is a request, too.
func (l *linter) reached(route *config.Route) []place {
	return append(l.places(route.Backend), l.places(mirrored(route))...)
}
