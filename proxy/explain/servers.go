package explain

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gatehouse/config"
	"gatehouse/proxy"
)

// Backend describes which servers of a named backend may get a request, and why.
type Backend struct {
	Name string `json:"name"`
	// Split says how the route divides its requests, and why this one goes to the
	// backend. It is "" when the route has one backend.
	Split string `json:"split,omitempty"`
	// Balance says how a server is chosen.
	Balance string `json:"balance"`
	// Servers are all servers, in the order of the table.
	Servers []Server `json:"servers,omitempty"`
	// Discover is what is looked up by DNS, or "".
	Discover string `json:"discover,omitempty"`
	Health   string `json:"health,omitempty"` // of the servers; "" when they are not checked
	Retry    string `json:"retry,omitempty"`  // "" when nothing is sent again
}

// Server is a server of a Backend.
type Server struct {
	URL string `json:"url"`
	Why string `json:"why"` // it may get the request, or may not
}

// describeBackend describes the named backend that a request is forwarded to. It returns
// nil for a URL.
func describeBackend(d proxy.Decision) *Backend {
	if d.To == nil || len(d.To.Backend.Shares) == 0 {
		return nil
	}
	of := d.To.Backend.Shares[0].Backend
	return &Backend{
		Name: of.Name, Split: splitText(d, of.Name), Balance: balanceText(d, of), Servers: servers(d, of),
		Discover: discoverText(of.Discover), Health: healthText(of.Health), Retry: retryText(of.Retry),
	}
}

// splitText returns how a route divides its requests, or "".
func splitText(d proxy.Decision, chosen string) string {
	shares := d.Route.Config.Backend.Shares
	if len(shares) < 2 {
		return ""
	}
	sum := int64(0)
	for _, share := range shares {
		sum += int64(share.Weight)
	}
	parts := make([]string, len(shares))
	for i, share := range shares {
		parts[i] = share.Name + " " + percent(int64(share.Weight), sum)
	}
	text := strings.Join(parts, ", ")
	by := splitBy(d.Route.Config)
	if d.ByChance {
		return text + " by chance: the request has no " + by
	}
	return text + ", by " + by + ": " + chosen
}

// splitBy returns what keeps a caller on one side.
func splitBy(r *config.Route) string {
	if r.SplitBy == nil {
		return (&config.HashKey{ClientIP: true}).String()
	}
	return r.SplitBy.String()
}

// balanceText returns how a server is chosen for the request.
func balanceText(d proxy.Decision, of *config.Backend) string {
	text := string(of.Balance)
	switch {
	case of.Hash != nil && d.Server == nil && of.Discover == nil:
		text += " of " + of.Hash.String() + ", which the request does not have: p2c"
	case of.Hash != nil:
		text += " of " + of.Hash.String()
	}
	if of.Sticky != nil {
		text += ", unless the cookie " + of.Sticky.Cookie + " names a server"
	}
	return text
}

// servers describes the listed servers of a backend.
func servers(d proxy.Decision, of *config.Backend) []Server {
	sum := int64(0)
	for _, s := range of.Servers {
		sum += int64(s.Weight)
	}
	list := make([]Server, 0, len(of.Servers))
	for i := range of.Servers {
		s := &of.Servers[i]
		share := percent(int64(s.Weight), sum)
		why := share + " of the requests"
		switch {
		case s.Weight == 0:
			why = "none: its weight is 0"
		case s == d.Server:
			why = "this request, while it is healthy"
		case d.Server != nil:
			why = "when the one for this request is down"
		case of.Balance == config.BalanceP2C && len(of.Servers) > 1:
			why += ", fewer while it has more in flight than others"
		}
		list = append(list, Server{s.URL.Redacted(), why})
	}
	return list
}

// percent returns a part of a sum, as a share of 100.
func percent(part, sum int64) string {
	if sum == 0 {
		return "0%"
	}
	return strconv.FormatFloat(100*float64(part)/float64(sum), 'g', 3, 64) + "%"
}

// discoverText returns what is looked up, or "".
func discoverText(of *config.Discover) string {
	if of == nil {
		return ""
	}
	if of.SRV != "" {
		return fmt.Sprintf("SRV %s, again every %s", of.SRV, of.Refresh)
	}
	return fmt.Sprintf("%s: every address of the host, looked up again every %s", of.URL.Redacted(), of.Refresh)
}

// healthText returns the health checks as text, or "".
func healthText(of *config.Health) string {
	if of == nil {
		return ""
	}
	what := "GET " + of.Path
	switch {
	case of.GRPC != nil && *of.GRPC == "":
		what = "gRPC"
	case of.GRPC != nil:
		what = "gRPC " + *of.GRPC
	default:
		ranges := make([]string, len(of.Expect))
		for i, r := range of.Expect {
			ranges[i] = r.String()
		}
		what += " → " + strings.Join(ranges, ", ")
	}
	return fmt.Sprintf("%s, every %s within %s, down after %d, up after %d", what, of.Interval, of.Timeout, of.Fails, of.Passes)
}

// passiveText returns when servers are ejected, as text, or "off".
func passiveText(of *config.Passive) string {
	if of == nil {
		return "off"
	}
	return fmt.Sprintf("after %d failures for %s, at most %s", of.Fails, of.Eject, of.MaxEjected)
}

// retryText returns when a request is sent again, as text, or "".
func retryText(of *config.Retry) string {
	if of == nil {
		return ""
	}
	text := fmt.Sprintf("%d attempts", of.Attempts)
	if of.PerTry > 0 {
		text += ", each within " + of.PerTry.String()
	}
	if slices.Contains(of.When, config.RetryConnect) {
		text += ", after connect with every method"
	}
	var causes []string
	for _, cause := range of.When {
		if cause != config.RetryConnect {
			causes = append(causes, string(cause))
		}
	}
	if len(causes) > 0 {
		text += ", after " + strings.Join(causes, ", ") + " with " + strings.Join(of.Methods, ", ")
	}
	return text + ", at most " + of.Budget.String() + " of the requests"
}

// mirrorText returns where copies of a request are sent, or "".
func mirrorText(d proxy.Decision) string {
	if d.To == nil {
		return ""
	}
	return d.Route.Config.Mirror.String()
}

// urlsOf returns the URLs that the servers of a named backend may be asked for.
func urlsOf(d proxy.Decision, route *config.Route, forwarded string) []string {
	if d.To == nil || d.To.Backend.IsURL() {
		return nil
	}
	// The text is cut, not parsed: the backend gets it as it is.
	_, rest, _ := strings.Cut(forwarded, "://")
	rest = strings.TrimPrefix(rest[strings.IndexAny(rest+"/", "/?"):], basePath(d.To.Backend.First()))
	targets := d.To.Backend
	if d.ByChance {
		targets = route.Backend
	}
	list := make([]string, 0, 4)
	for _, server := range targets.Servers() {
		list = append(list, server.Scheme+"://"+server.Host+basePath(server)+rest)
	}
	return list
}
