package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"gatehouse/auth"
	"gatehouse/auth/account"
	"gatehouse/config"
	"gatehouse/config/problem"
	"gatehouse/ops"
	"gatehouse/proxy"
	"gatehouse/proxy/explain"
)

// offlineTable compiles the table of a file for questions, without connections.
// It reports problems of the table.
func offlineTable(t terminal, file string) (*proxy.Table, error) {
	cfg, err := t.load(file)
	if err != nil {
		return nil, invalidTable(t, err)
	}
	table, err := compileOffline(cfg)
	if err != nil {
		return nil, invalidTable(t, err)
	}
	return table, nil
}

// compileOffline compiles a table that will not be served.
func compileOffline(cfg *config.Config) (*proxy.Table, error) {
	table, problems, err := inspect(cfg)
	switch {
	case err != nil:
		return nil, err
	case len(problems) > 0:
		return nil, problems
	}
	return table, nil
}

// inspect compiles a table that will not be served, as far as possible.
func inspect(cfg *config.Config) (*proxy.Table, problem.List, error) {
	made := proxy.Parts{
		Gate:    auth.NewGate(nil, nil),
		Metrics: ops.NewMetrics(version),
	}
	if !cfg.Users.Off {
		made.Users = account.New(account.Options{Gate: made.Gate})
	}
	table, problems, err := proxy.Inspect(cfg, made)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", cfg.File, err)
	}
	return table, problems, nil
}

// caller has the flags that describe the caller.
type caller struct {
	as, claims, token string
	host, from        string
	headers           []string
}

func newExplain(t terminal, file *string) *cobra.Command {
	var who caller
	cmd := &cobra.Command{
		Use:   "explain METHOD TARGET",
		Short: "Show what the gateway would do with a request, without sending it",
		Long: "Prints the canonical path, every route whose prefix matches and why it was chosen or not, the policy's\n" +
			"verdict, and the URL and headers that the backend would receive. The decisions are those of the gateway's own\n" +
			"code. Nothing is contacted, except with --token: then the store is asked for the user, and the issuer of the\n" +
			"token for its keys.\n\n" +
			"--as names a caller:\n" +
			"  anonymous  sends no token\n" +
			"  newcomer   sends a good token of a user without a company, such as a new user\n" +
			"  member     sends a good token of a user with a company, which the policy strict requires\n" +
			"newcomer and member have the role user. --as '{roles: [admin], company: off, claims: {scope: orders:read}}' describes\n" +
			"another user with a good token: a member, but for what is said. --claims and --token describe other callers. All of\n" +
			"these, --host, --header and --from have the same meaning as in `tests:`.",
		Example: "  gatehouse explain GET '/api/v1/query/chats?limit=2' --as member\n" +
			"  gatehouse explain POST /api/v1/ingest/upload --claims '{\"sub\":\"…\",\"role\":\"admin\"}'\n" +
			"  gatehouse explain GET /admin --as '{roles: [admin]}' --from 192.0.2.7\n" +
			"  gatehouse explain GET https://shop.example.com/orders -H 'X-User-ID: forged'",
		Args: cobra.ExactArgs(2),
	}
	cmd.Flags().StringVar(&who.as, "as", config.CallerAnonymous, "the caller: anonymous, newcomer, member, or a user such as '{roles: [admin]}' (see above)")
	cmd.Flags().StringVar(&who.claims, "claims", "", "a caller whose token has this JSON object as its claims")
	cmd.Flags().StringVar(&who.token, "token", "", "a caller with this token; the token and its user are checked as in the gateway")
	cmd.Flags().StringArrayVarP(&who.headers, "header", "H", nil, "a header of the request, 'Name: value'; may be repeated")
	cmd.Flags().StringVar(&who.host, "host", "", "the host that the request asks for")
	cmd.Flags().StringVar(&who.from, "from", "127.0.0.1", "the address that the request comes from")
	cmd.MarkFlagsMutuallyExclusive("as", "claims", "token")
	format := formatFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		table, err := offlineTable(t, *file)
		if err != nil {
			return err
		}
		header, err := who.header()
		if err != nil {
			return err
		}
		if err := checkTarget(args[1]); err != nil {
			return err
		}
		request, err := explain.NewRequest(strings.ToUpper(args[0]), args[1], header)
		if err != nil {
			return &usageError{err}
		}
		from, err := netip.ParseAddr(who.from)
		if err != nil {
			return &usageError{fmt.Errorf("--from %q: want an IP address, such as 192.0.2.7", who.from)}
		}
		explain.SetClient(request, from)
		for _, name := range []string{"token", "claims"} { // an empty variable must not mean an anonymous caller
			if flag := cmd.Flags().Lookup(name); flag.Changed && flag.Value.String() == "" {
				return &usageError{fmt.Errorf("--%s is empty: omit it for a caller without a token", name)}
			}
		}
		explanation, err := who.explain(cmd.Context(), t, table, request)
		if err != nil {
			return err
		}
		redact(explanation)
		if *format == "json" {
			return printJSON(t.out, explanation)
		}
		return printExplanation(t.out, explanation)
	}
	return cmd
}

// checkTarget refuses a target that no client would send. Otherwise a typing
// error would be explained as a problem of the path.
func checkTarget(target string) error {
	if strings.HasPrefix(target, "/") || strings.Contains(target, "://") || target == "*" {
		return nil
	}
	return &usageError{fmt.Errorf("target %q: a path begins with /: want %q, or a whole URL", target, "/"+target)}
}

// header returns the request's headers from the flags.
func (a caller) header() (http.Header, error) {
	header := http.Header{}
	for _, line := range a.headers {
		name, value, found := strings.Cut(line, ":")
		if !found || strings.TrimSpace(name) == "" {
			return nil, &usageError{fmt.Errorf("header %q: want 'Name: value'", line)}
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if a.host != "" {
		header.Set("Host", a.host)
	}
	if a.token != "" {
		header.Set("Authorization", "Bearer "+a.token)
	}
	return header, nil
}

// simulated returns what decides for a caller without a real token.
func (a caller) simulated() (auth.Decider, error) {
	if a.claims != "" {
		claims, decoder := auth.SimulatedIdentity{}, json.NewDecoder(strings.NewReader(a.claims))
		decoder.UseNumber() // a number is read as its text, as in a token
		if err := decoder.Decode(&claims); err != nil || claims == nil || decoder.More() {
			return nil, &usageError{errors.New("--claims: want a JSON object, such as '{\"sub\":\"…\",\"company_id\":\"…\"}'")}
		}
		return claims, nil
	}
	if !strings.HasPrefix(strings.TrimSpace(a.as), "{") {
		persona, known := auth.Persona(a.as)
		if !known {
			return nil, &usageError{fmt.Errorf("--as %q: want one of %s, or a user such as '{roles: [admin]}'", a.as, strings.Join(auth.Personas(), ", "))}
		}
		return persona, nil
	}
	who, err := config.ParseCaller(a.as)
	if err != nil {
		return nil, &usageError{fmt.Errorf("--as: %w", err)}
	}
	return auth.Simulated(&who), nil
}

// explain explains the request with the table. For a token it asks the same
// sources as the gateway, and notes what it could not ask.
func (a caller) explain(ctx context.Context, t terminal, table *proxy.Table, request *http.Request) (explain.Explanation, error) {
	if a.token == "" {
		decider, err := a.simulated()
		if err != nil {
			return explain.Explanation{}, err
		}
		return explain.Request(table, request, decider), nil
	}
	checker, err := newTokenChecker(ctx, t, table.Config(), a.token)
	if err != nil {
		return explain.Explanation{}, err
	}
	defer checker.close()
	ctx, cancel := context.WithTimeout(ctx, tokenCheckTimeout)
	defer cancel()
	explanation := explain.Request(table, request.WithContext(ctx), checker.gate)
	explanation.Notes = checker.notes
	return explanation, nil
}

// redact hides the token or the password, which the backend would receive, and the secrets that the table
// sets for the backend.
func redact(e explain.Explanation) {
	f := e.Forwarded
	if f == nil {
		return
	}
	for _, name := range slices.Concat(f.Added, f.Replaced) {
		if problem.IsSecretName(name) {
			f.Headers[name] = []string{"[redacted]"}
		}
	}
	if sent := f.Headers.Get("Authorization"); sent != "" && sent != "[redacted]" {
		scheme, _, _ := strings.Cut(sent, " ")
		if !strings.EqualFold(scheme, "Basic") {
			scheme = "Bearer"
		}
		f.Headers["Authorization"] = []string{scheme + " [redacted]"}
	}
}

func printExplanation(w io.Writer, e explain.Explanation) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(key, value string) { fmt.Fprintf(table, "%s\t%s\n", key, value) }
	row("request", e.Request)
	if e.Path != "" {
		row("path", e.Path)
	}
	if e.Lenient != "" {
		row("read leniently", e.Lenient)
	}
	for i, c := range e.Candidates {
		key := ""
		if i == 0 {
			key = "candidates"
		}
		row(key, fmt.Sprintf("%s  %s  %s: %s", c.Prefix, c.Route, c.Source, c.Why))
	}
	if e.Route != "" {
		row("route", fmt.Sprintf("%s (%s)", e.Route, e.Source))
	}
	if e.Policy != "" {
		row("policy", policyLine(&e))
	}
	if e.Address != nil {
		row("address", addressLine(e.Address))
	}
	if len(e.Compress) > 0 {
		row("compress", e.Compress.String()+", where the client accepts it")
	}
	if e.CORS != "" {
		row("cors", e.CORS)
	}
	if e.Verdict.Allowed && e.Verdict.Status == 0 {
		row("verdict", "let through")
	} else {
		row("verdict", fmt.Sprintf("answered %d: %s", e.Verdict.Status, e.Verdict.Detail))
	}
	if e.Verdict.Cause != "" {
		row("because", e.Verdict.Cause)
	}
	if e.Verdict.Page != "" {
		row("page", e.Verdict.Page+", for clients that prefer HTML to JSON")
	}
	if e.Verdict.Status == http.StatusNotFound && len(e.Candidates) == 0 {
		row("because", "no route has a prefix that matches this path; `gatehouse routes` lists the routes")
	}
	for _, note := range e.Notes {
		row("note", note)
	}
	if e.Backend != nil {
		printBackend(row, e.Backend)
	}
	if e.Mirror != "" {
		row("mirror", e.Mirror)
	}
	if e.Forwarded != nil {
		if e.Forwarded.Path != e.Path {
			row("path there", e.Forwarded.Path)
		}
		printForwarded(row, e.Forwarded)
	}
	for i, change := range e.Answer {
		key := ""
		if i == 0 {
			key = "every answer"
		}
		text := change.Change + " " + change.Name
		if change.Value != "" {
			text += ": " + change.Value
		}
		row(key, text)
	}
	return table.Flush()
}

// policyLine returns what the route asks of callers.
func policyLine(e *explain.Explanation) string {
	text := e.Policy
	if text == string(config.PolicyOptional) {
		text += ": a caller without a token passes, without identity headers; a bad token is refused"
	}
	if len(e.Roles) > 0 {
		text += ", roles " + strings.Join(e.Roles, " ")
	}
	for _, name := range slices.Sorted(maps.Keys(e.Claims)) {
		text += ", claim " + name + ": " + strings.Join(e.Claims[name], " or ")
	}
	if e.Basic != "" {
		text += ", basic " + e.Basic
	}
	return text
}

// addressLine returns what the route decides about the address of the client.
func addressLine(a *explain.Address) string {
	switch {
	case a.Client == "":
		return "unknown: refused"
	case a.Entry == "":
		return fmt.Sprintf("%s: not in %s", a.Client, a.Key)
	}
	return fmt.Sprintf("%s: in %s (%s)", a.Client, a.Key, a.Entry)
}

// printBackend prints the servers that may get the request.
func printBackend(row func(key, value string), b *explain.Backend) {
	if b.Split != "" {
		row("split", b.Split)
	}
	row("backend", b.Name+": "+b.Balance)
	for i, s := range b.Servers {
		key := ""
		if i == 0 {
			key = "servers"
		}
		row(key, s.URL+": "+s.Why)
	}
	for _, line := range [][2]string{{"servers", b.Discover}, {"health", b.Health}, {"retry", b.Retry}} {
		if line[1] != "" {
			row(line[0], line[1])
		}
	}
}

// printForwarded prints what the backend would receive, with the gateway's
// changes first.
func printForwarded(row func(key, value string), f *explain.Forwarded) {
	row("sent to", f.URL)
	row("with Host", f.Host)
	line := func(key string, names []string) {
		for _, name := range names {
			row(key, name+": "+strings.Join(f.Headers[name], ", "))
		}
	}
	line("  adds", f.Added)
	line("  replaces", f.Replaced)
	for _, name := range f.Removed {
		row("  removes", name)
	}
	line("  passes", slices.DeleteFunc(slices.Sorted(maps.Keys(f.Headers)), func(name string) bool {
		return slices.Contains(f.Added, name) || slices.Contains(f.Replaced, name)
	}))
}
