package proxy

import (
	"fmt"

	"gatehouse/config"
	"gatehouse/proxy/cors"
)

// routeCORS has the cross-origin policies of routes, by the text of their configuration. So
// two routes with the same `cors` have the same policy. It is nil when no route has one.
type routeCORS map[string]*cors.Policy

// newRouteCORS compiles the policies of all routes. table is that of the table.
func newRouteCORS(cfg *config.Config, table *cors.Policy) (routeCORS, error) {
	var policies routeCORS
	for i := range cfg.Routes {
		own := cfg.Routes[i].CORS
		if own == nil {
			continue
		}
		if policies == nil {
			policies = routeCORS{}
			if cfg.CORS != nil {
				policies[corsKey(cfg.CORS)] = table
			}
		}
		key := corsKey(own)
		if _, known := policies[key]; known {
			continue
		}
		policy, err := cors.New(own)
		if err != nil {
			return nil, fmt.Errorf("compile cors of route %q: %w", cfg.Routes[i].Name, err)
		}
		policies[key] = policy
	}
	return policies, nil
}

func corsKey(cfg *config.CORS) string { return fmt.Sprintf("%#v", *cfg) }

// corsOf returns the cross-origin policy of a route: its own, or that of the table. It is
// nil when the backend decides.
func (t *Table) corsOf(r *config.Route) *cors.Policy {
	if r.CORS == nil {
		return t.cors
	}
	return t.routeCORS[corsKey(r.CORS)]
}
