package main

// This file breaks one of two servers of a backend under load, with real processes, and
// says what the clients see.

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gatehouse/internal/testkit"
)

// faultClients is the number of clients that send requests at the same time.
const faultClients = 8

// The policies that are tested.
const (
	byDefault = ""
	perTry    = "retry: {attempts: 2, per_try: 5s, when: [connect, reset, timeout, 502, 503, 504]}"
	noRetry   = "retry: off"
)

// faultRun is a backend with two servers under load.
type faultRun struct {
	t         testing.TB
	broken    *replica // the server that has the fault
	other     *replica
	gateway   *process
	load      *backendLoad
	enough    int // requests between two steps
	table     string
	withOne   string // the table without the broken server
	tableFile string
}

// fault is something that happens to a server under load.
type fault struct {
	name string
	run  func(f *faultRun)
	// seen says what clients may see, by policy and method: statuses, or "" for nothing
	// but good answers.
	seen map[string]map[string]string
	// rare says that clients need not see a failure even if they may: a request has to
	// be under way at the very moment.
	rare bool
}

// noFailure and only make rows of the table of faults.
func noFailure() map[string]string            { return map[string]string{} }
func only(get, post string) map[string]string { return map[string]string{"GET": get, "POST": post} }

// faults are the table of faults and policies: what clients see that send GET and POST.
// With per_try, no GET fails. A POST fails when bytes of it were sent.
func faults() []fault {
	return []fault{
		{
			name: "kill -9 and restart", rare: true,
			run: func(f *faultRun) {
				f.broken.kill()
				f.load.await(f.enough)
				f.broken.start()
			},
			seen: map[string]map[string]string{byDefault: only("", "502"), perTry: only("", "502"), noRetry: only("502 503", "502 503")},
		},
		{
			name: "stop and restart", rare: true, // by SIGTERM: it answers what it has
			run: func(f *faultRun) {
				f.broken.stop()
				f.load.await(f.enough)
				f.broken.start()
			},
			seen: map[string]map[string]string{byDefault: only("", "502"), perTry: only("", "502"), noRetry: only("502 503", "502 503")},
		},
		{
			name: "SIGSTOP",
			run: func(f *faultRun) {
				f.broken.signal(syscall.SIGSTOP)
				f.awaitEjection()
				f.load.await(f.enough)
				f.broken.signal(syscall.SIGCONT)
			},
			seen: map[string]map[string]string{byDefault: only("504", "504"), perTry: only("", "504"), noRetry: only("504", "504")},
		},
		{
			name: "removal from the table",
			run: func(f *faultRun) {
				f.reload(f.withOne)
				f.load.await(f.enough)
				f.broken.stop()
				f.load.await(f.enough)
				f.broken.start()
				f.reload(f.table)
				f.load.awaitServer(f.broken.name, 10)
			},
			seen: map[string]map[string]string{byDefault: noFailure(), perTry: noFailure(), noRetry: noFailure()},
		},
		{
			name: "RST at accept",
			run: func(f *faultRun) {
				f.broken.order("reset")
				f.awaitEjection()
				f.load.await(f.enough)
				f.broken.order("accept")
			},
			seen: map[string]map[string]string{byDefault: only("", "502"), perTry: only("", "502"), noRetry: only("502 503", "502 503")},
		},
		{
			name: "refused connections", rare: true,
			run: func(f *faultRun) {
				f.broken.order("refuse")
				f.awaitEjection()
				f.load.await(f.enough)
				f.broken.order("listen")
			},
			seen: map[string]map[string]string{byDefault: only("", "502"), perTry: only("", "502"), noRetry: only("502 503", "502 503")},
		},
		{
			name: "slow start",
			run: func(f *faultRun) {
				f.broken.stop()
				f.broken.start()
				f.broken.order("slow 300ms")
				f.load.await(f.enough)
				f.broken.order("slow 0s")
			},
			seen: map[string]map[string]string{byDefault: only("", "502"), perTry: only("", "502"), noRetry: only("502 503", "502 503")},
			rare: true,
		},
		{
			name: "503 for a while",
			run: func(f *faultRun) {
				f.broken.order("status 503")
				f.awaitEjection()
				f.load.await(f.enough)
				f.broken.order("status 0")
			},
			seen: map[string]map[string]string{byDefault: only("503", "503"), perTry: only("", "503"), noRetry: only("503", "503")},
		},
		{
			// By Connection: close. A moment after the last one, the gateway tries the server
			// again, and without a retry a client sees that it is away.
			name: "a stop that is announced", rare: true,
			run: func(f *faultRun) {
				f.broken.order("close")
				f.load.await(f.enough)
				f.broken.stop()
				f.load.await(f.enough)
				f.broken.start()
			},
			seen: map[string]map[string]string{byDefault: noFailure(), perTry: noFailure(), noRetry: only("502 503", "502 503")},
		},
	}
}

// startFault starts two servers, a gateway, and the load.
func startFault(t testing.TB, policy, transport string, enough int) *faultRun {
	f := &faultRun{t: t, broken: startReplica(t, "broken"), other: startReplica(t, "other"), enough: enough}
	if policy != "" {
		policy += ", "
	}
	table := func(servers ...string) string {
		return "users: off\nbackends:\n  orders: {" + policy + "timeout: 10s, passive: {eject: 1s}, servers: [" + strings.Join(servers, ", ") +
			"]}\nroutes:\n  - {name: orders, prefix: /, backend: orders, auth: none}\n"
	}
	f.withOne = table(f.other.url())
	f.table = table(f.broken.url(), f.other.url())
	f.tableFile = testkit.TempFile(t, "routes.yaml", f.table)
	f.gateway = startProcess(t, f.tableFile, map[string]string{"GATEWAY_TRANSPORT": transport})
	f.load = startLoad(t, f.gateway.url+"/", faultClients, 10_000)
	return f
}

// reload makes the gateway serve another table.
func (f *faultRun) reload(table string) {
	f.t.Helper()
	testkit.WriteFile(f.t, f.tableFile, table)
	if a := do(f.t, request{method: http.MethodPost, url: f.gateway.operators + "/-/reload"}); a.status != http.StatusOK {
		f.t.Fatalf("reload: %d %s", a.status, a.body)
	}
}

// awaitEjection returns when the gateway has noticed that the server is broken.
func (f *faultRun) awaitEjection() {
	f.t.Helper()
	testkit.Eventually(f.t, "the server is ejected", func() bool {
		return strings.Contains(f.gateway.log.String(), `"msg":"server ejected","backend":"orders","server":"`+f.broken.url())
	})
}

// TestFaultsOfServers breaks one of two servers under load. BenchmarkFaultsOfServers does so
// with more requests.
func TestFaultsOfServers(t *testing.T) {
	t.Parallel()
	for _, c := range faults() {
		for policy, seen := range c.seen {
			for _, transport := range transportsFor(policy) {
				t.Run(c.name+"/"+nameOf(policy)+"/"+transport, func(t *testing.T) {
					t.Parallel()
					c.test(t, policy, transport, seen, 300)
				})
			}
		}
	}
}

// BenchmarkFaultsOfServers sends b.N requests between the steps of each fault: try
// -benchtime 50000x.
func BenchmarkFaultsOfServers(b *testing.B) {
	for _, c := range faults() {
		for policy, seen := range c.seen {
			b.Run(c.name+"/"+nameOf(policy), func(b *testing.B) {
				c.test(b, policy, "lean", seen, b.N)
			})
		}
	}
}

// transportsFor returns the values of GATEWAY_TRANSPORT that a policy is tested with.
func transportsFor(policy string) []string {
	if policy == perTry {
		return []string{"lean", "standard"}
	}
	return []string{"lean"}
}

func nameOf(policy string) string {
	return map[string]string{byDefault: "default", perTry: "per_try", noRetry: "no retry"}[policy]
}

// test breaks a server, and mends it. Between the steps it awaits so many requests.
func (c *fault) test(t testing.TB, policy, transport string, seen map[string]string, enough int) {
	f := startFault(t, policy, transport, enough)
	f.load.await(enough)
	c.run(f)
	f.load.await(enough)
	failed := f.load.end()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		allowed, got := strings.Fields(seen[method]), failed[method]
		for _, outcome := range slices.Sorted(maps.Keys(got)) {
			if !slices.Contains(allowed, outcome) {
				t.Errorf("%d of the %s requests: %s; want %v", got[outcome], method, outcome, allowed)
			}
		}
		if policy != noRetry && sum(got) > 4*faultClients {
			t.Errorf("%d of the %s requests have failed, although only those under way may", sum(got), method)
		}
	}
	if len(failed) == 0 && seen[http.MethodGet] != "" && !c.rare {
		t.Errorf("no request has failed; want %v", seen)
	}
	t.Logf("%d requests, failed: %v", f.load.sent.Load(), failed)
}
