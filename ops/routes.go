package ops

import (
	"fmt"

	"gatehouse/config"
)

// RouteInfo describes one route for operators, in GET /routes and in the
// command `routes`.
type RouteInfo struct {
	Name    string   `json:"name"`
	Prefix  string   `json:"prefix"`
	Hosts   []string `json:"hosts,omitempty"`
	Methods []string `json:"methods,omitempty"`
	Target  string   `json:"target"` // the backend's URL, its name, names with weights, "handler:users", "answer:503", or a redirect such as "308 /new"
	// SplitBy is what keeps a caller on one side of several backends, or "".
	SplitBy string `json:"split_by,omitempty"`
	// Mirror is the share of the requests that are copied, and where to, or "".
	Mirror string `json:"mirror,omitempty"`
	// Rewrite is the path that a rewrite makes, such as "/orders/$1".
	Rewrite string   `json:"rewrite,omitempty"`
	Auth    string   `json:"auth"` // a policy, "basic", or "own" for built-in endpoints
	Roles   []string `json:"roles,omitempty"`
	// Claims are the claims that a token must have, each with one of its values.
	Claims map[string]config.ClaimValues `json:"claims,omitempty"`
	// AllowFrom and DenyFrom are networks, addresses and names of sets.
	AllowFrom []string `json:"allow_from,omitempty"`
	DenyFrom  []string `json:"deny_from,omitempty"`
	// Compress are the codings that answers are compressed with.
	Compress config.Codings `json:"compress,omitempty"`
	// CORS are the origins of the route's own cross-origin policy, or "off".
	CORS   []string `json:"cors,omitempty"`
	Source string   `json:"source"` // file:line
}

// Routes returns descriptions of the routes, in the same order.
func Routes(routes []*config.Route) []RouteInfo {
	infos := make([]RouteInfo, 0, len(routes))
	for _, r := range routes {
		info := RouteInfo{
			Name: r.Name, Prefix: r.Prefix, Hosts: r.Hosts, Methods: r.Methods, Roles: r.Roles, Claims: r.Claims,
			SplitBy: r.SplitBy.String(), Mirror: r.Mirror.String(), Compress: r.Compress, AllowFrom: r.AllowFrom.Entries, DenyFrom: r.DenyFrom.Entries,
			Source: fmt.Sprintf("%s:%d", r.Position.File, r.Position.Line),
		}
		if r.CORS != nil && r.CORS.Off {
			info.CORS = []string{"off"}
		} else if r.CORS != nil {
			info.CORS = r.CORS.Origins
		}
		switch {
		case r.Handler != "":
			info.Target, info.Auth = "handler:"+r.Handler, "own"
		case r.Redirect != nil:
			info.Target, info.Auth = fmt.Sprintf("%d %s", r.Redirect.Status, r.Redirect.To), string(r.Auth)
		case r.Respond != nil:
			info.Target, info.Auth = "answer:"+r.Respond.Status.String(), string(r.Auth)
		default:
			info.Target, info.Auth = r.Backend.String(), string(r.Auth)
		}
		if r.Rewrite != nil {
			info.Rewrite = r.Rewrite.To
		}
		if r.Basic.File != "" {
			info.Auth = "basic"
		}
		infos = append(infos, info)
	}
	return infos
}
