package main

// This file restarts the servers of a backend one after the other under load, as a deploy
// does, and reloads the table meanwhile.

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/ops"
)

// opsToken is the GATEWAY_OPS_TOKEN of the tests.
const opsToken = "operators-token-of-the-tests-0123456789"

// rollingRestart is a backend with three servers under load.
type rollingRestart struct {
	t        testing.TB
	replicas []*replica
	gateway  *process
	load     *backendLoad
	file     string
	table    string
	reloads  int
}

// startRolling starts the servers, a gateway with keys of the backend, and the load of GET
// and of POST with 1 MiB.
func startRolling(t testing.TB, keys, transport string) *rollingRestart {
	r := &rollingRestart{t: t}
	var urls []string
	for _, name := range []string{"one", "two", "three"} {
		server := startReplica(t, name)
		r.replicas, urls = append(r.replicas, server), append(urls, server.url())
	}
	r.table = "users: off\nbackends:\n  orders: {servers: [" + strings.Join(urls, ", ") + "], " + keys + "}\nroutes:\n"
	r.file = testkit.TempFile(t, "routes.yaml", r.table+r.route())
	r.gateway = startProcess(t, r.file, map[string]string{"GATEWAY_TRANSPORT": transport, "GATEWAY_OPS_TOKEN": opsToken})
	r.load = startLoad(t, r.gateway.url+"/", 4, 1<<20)
	return r
}

// route returns the route of the next table. Its name and its prefix change with each
// reload.
func (r *rollingRestart) route() string {
	return fmt.Sprintf("  - {name: orders-%d, prefix: /, backend: orders, auth: none}\n  - {name: other, prefix: /other/%d, backend: orders, auth: none}\n", r.reloads%2, r.reloads)
}

// reload makes the gateway serve the next table.
func (r *rollingRestart) reload() {
	r.reloads++
	testkit.WriteFile(r.t, r.file, r.table+r.route())
	if a := do(r.t, request{method: http.MethodPost, url: r.gateway.operators + "/-/reload", token: opsToken}); a.status != http.StatusOK {
		r.t.Errorf("reload %d: %d %s", r.reloads, a.status, a.body)
	}
}

// backends returns what GET /backends says of the only backend.
func backends(t testing.TB, operators string) ops.BackendInfo {
	t.Helper()
	var said []ops.BackendInfo
	a := do(t, request{url: operators + "/backends"})
	if err := json.Unmarshal([]byte(a.body), &said); err != nil || len(said) != 1 {
		t.Fatalf("GET /backends: %v\n%s", err, a.body)
	}
	return said[0]
}

// stateOf returns the state of a server in GET /backends.
func stateOf(t testing.TB, operators string, server *replica) string {
	t.Helper()
	for _, s := range backends(t, operators).Servers {
		if s.Server == server.url() {
			return s.State
		}
	}
	return "unknown"
}

// TestRollingRestart restarts three servers under load, and reloads the table 100 times
// meanwhile. No request fails, and no reload resets what is known about the servers.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	const health = "health: {path: /healthz, interval: 1s, timeout: 10s, fails: 1, passes: 1}"
	for name, c := range map[string]struct {
		keys, transport string
		leave           func(*rollingRestart, *replica)
	}{
		"health check":           {health, "lean", (*rollingRestart).failHealth},
		"health check, standard": {health, "standard", (*rollingRestart).failHealth},
		"Connection: close":      {"balance: round_robin", "lean", (*rollingRestart).closeConnections},
		"operators":              {"balance: p2c", "lean", (*rollingRestart).drain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRolling(t, c.keys, c.transport)
			r.load.await(100)
			var reloading sync.WaitGroup
			reloading.Go(func() {
				for range 100 {
					r.reload()
				}
			})
			for _, server := range r.replicas {
				c.leave(r, server)
				server.stop()
				r.load.await(50)
				server.start()
				r.comeBack(server)
				r.load.awaitServer(server.name, 5)
			}
			reloading.Wait()
			r.load.await(50)
			if failed := r.load.end(); len(failed) > 0 {
				t.Errorf("of %d requests have failed: %v\n%s", r.load.sent.Load(), failed, r.gateway.log)
			}
			r.wantCounted()
		})
	}
}

// wantCounted requires that each answer is counted for its server, over all reloads.
func (r *rollingRestart) wantCounted() {
	r.t.Helper()
	info := backends(r.t, r.gateway.operators)
	for _, server := range r.replicas {
		for _, s := range info.Servers {
			if s.Server != server.url() {
				continue
			}
			if got, want := s.Requests["answered"], r.load.answered(server.name); got != int64(want) {
				r.t.Errorf("server %s: %d requests are counted, it has answered %d", server.name, got, want)
			}
		}
	}
	if info.InFlight != 0 {
		r.t.Errorf("%d requests in flight at the end", info.InFlight)
	}
}

// failHealth makes a server fail its health check, and waits until the gateway knows.
func (r *rollingRestart) failHealth(server *replica) {
	server.order("ill")
	r.awaitState(server, "down")
}

// closeConnections makes a server close its connections, and waits until the gateway has
// noticed it.
func (r *rollingRestart) closeConnections(server *replica) {
	server.order("close")
	r.awaitState(server, "leaving")
}

// drain takes a server out, and waits until it has answered all requests.
func (r *rollingRestart) drain(server *replica) {
	r.change(server, "drain")
	testkit.Eventually(r.t, server.name+" has no requests", func() bool {
		for _, s := range backends(r.t, r.gateway.operators).Servers {
			if s.Server == server.url() {
				return s.State == "drained" && s.InFlight == 0
			}
		}
		return false
	})
}

// change makes the gateway drain a server, or undrain it.
func (r *rollingRestart) change(server *replica, how string) {
	r.t.Helper()
	a := do(r.t, request{method: http.MethodPost, url: r.gateway.operators + "/-/backends/orders/" + server.address + "/" + how, token: opsToken})
	if a.status != http.StatusOK {
		r.t.Errorf("%s %s: %d %s", how, server.name, a.status, a.body)
	}
}

// comeBack is called when a server was started again.
func (r *rollingRestart) comeBack(server *replica) {
	if stateOf(r.t, r.gateway.operators, server) == "drained" {
		r.change(server, "undrain")
	}
	r.awaitState(server, "up")
}

func (r *rollingRestart) awaitState(server *replica, state string) {
	r.t.Helper()
	testkit.Eventually(r.t, server.name+" is "+state, func() bool { return stateOf(r.t, r.gateway.operators, server) == state })
}
