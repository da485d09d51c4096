package ops

import (
	"net/http"
	"slices"
	"time"

	"gatehouse/internal/httperr"
	"gatehouse/proxy/backend"
)

// BackendInfo describes one named backend, in GET /backends.
type BackendInfo struct {
	Name     string `json:"name"`
	Balance  string `json:"balance"`
	InFlight int64  `json:"in_flight"`
	Waiting  int64  `json:"waiting"`
	// Panic says that no server is healthy, so that all get requests.
	Panic     bool             `json:"panic"`
	Discovery *DiscoveryInfo   `json:"discovery,omitempty"` // nil when the table lists the servers
	Servers   []ServerInfo     `json:"servers"`
	Ejections int64            `json:"ejections"`
	Retries   map[string]int64 `json:"retries"` // by result
	Rejected  int64            `json:"rejected"`
}

// DiscoveryInfo describes how the servers of a backend are looked up.
type DiscoveryInfo struct {
	Target string     `json:"target"`
	At     *time.Time `json:"at,omitempty"` // the last good lookup; nil before the first
	Error  string     `json:"error,omitempty"`
}

// ServerInfo describes one server of a backend.
type ServerInfo struct {
	Server   string           `json:"server"`
	Weight   int              `json:"weight"`
	State    string           `json:"state"` // up, down, ejected, drained or leaving
	InFlight int64            `json:"in_flight"`
	Requests map[string]int64 `json:"requests"` // attempts by result
}

// Backends returns descriptions of the backends, sorted by name.
func Backends(set backend.Set) []BackendInfo {
	infos := []BackendInfo{}
	for _, b := range set.All() {
		counts := b.Counts()
		info := BackendInfo{
			Name: b.Name(), Balance: string(b.Config().Balance), InFlight: counts.InFlight, Waiting: counts.Waiting, Panic: b.Panicked(),
			Servers: []ServerInfo{}, Ejections: counts.Ejections, Rejected: counts.Rejected, Retries: map[string]int64{},
		}
		for _, result := range backend.RetryResults() {
			info.Retries[result.String()] = counts.Retries[result]
		}
		if d, ok := b.Discovery(); ok {
			info.Discovery = &DiscoveryInfo{Target: d.Target}
			if !d.At.IsZero() {
				info.Discovery.At = &d.At
			}
			if d.Err != nil {
				info.Discovery.Error = d.Err.Error()
			}
		}
		for _, s := range b.Members() {
			server := ServerInfo{Server: s.ID(), Weight: s.Weight, State: s.State().String(), InFlight: s.InFlight(), Requests: map[string]int64{}}
			for _, result := range backend.Results() {
				server.Requests[result.String()] = s.Count(result)
			}
			info.Servers = append(info.Servers, server)
		}
		infos = append(infos, info)
	}
	return infos
}

// The answers to changes of a server.
var (
	refuseUnknownServer = &httperr.Error{Status: http.StatusNotFound, Detail: "No such backend or server. GET /backends lists them."}
	refuseLastServer    = &httperr.Error{Status: http.StatusConflict, Detail: "It is the last server of the backend that gets requests."}
)

// serveDrain takes a server out of its backend, or lets it come back. The server is named
// as in GET /backends, with or without its scheme.
func serveDrain(w http.ResponseWriter, r *http.Request, set backend.Set, drained bool) {
	of := set.Get(r.PathValue("backend"))
	if of == nil {
		refuseUnknownServer.WriteTo(w)
		return
	}
	servers, name := of.Servers(), r.PathValue("server")
	at := slices.IndexFunc(servers, func(s *backend.Server) bool { return s.ID() == name || s.Address.Host == name })
	switch {
	case at < 0:
		refuseUnknownServer.WriteTo(w)
	case !of.SetDrained(servers[at], drained):
		refuseLastServer.WriteTo(w)
	default:
		httperr.WriteJSON(w, http.StatusOK, map[string]any{"backend": of.Name(), "server": servers[at].ID(), "state": servers[at].State().String()})
	}
}
