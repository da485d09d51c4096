package main

// This file tests connections to the database that no longer carry data, as
// after a firewall has dropped them, and a database that does not answer at all
// (issue 10).

import (
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/testkit"
	"gatehouse/store/storetest"
)

// databaseRelay carries bytes between a port and a server's socket.
type databaseRelay struct {
	address string
	socket  string

	mu     sync.Mutex
	frozen chan struct{} // closed when the connections made so far carry nothing
	dead   bool          // nor do new ones
	opened int
	wasted int // frozen connections over which something was asked
}

func newDatabaseRelay(t *testing.T, socket string) *databaseRelay {
	t.Helper()
	r := &databaseRelay{socket: socket, frozen: make(chan struct{})}
	ended := make(chan struct{})
	r.address = testkit.ServeRaw(t, func(near net.Conn) { r.serve(near, ended) })
	t.Cleanup(func() { close(ended) })
	return r
}

// freeze stops the data on the current connections, and also on later ones when
// the server should count as dead.
func (r *databaseRelay) freeze(dead bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.frozen)
	r.frozen, r.dead = make(chan struct{}), dead
}

func (r *databaseRelay) mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead = false
}

func (r *databaseRelay) serve(near net.Conn, ended <-chan struct{}) {
	r.mu.Lock()
	frozen, dead := r.frozen, r.dead
	r.opened++
	r.mu.Unlock()
	if dead {
		<-ended
		return
	}
	far, err := net.Dial("unix", r.socket)
	if err != nil {
		return
	}
	defer far.Close()
	closed := make(chan struct{}, 2)
	go carryUntil(far, near, frozen, closed, r.waste)
	go carryUntil(near, far, frozen, closed, func([]byte) {})
	select {
	case <-closed:
	case <-frozen:
		<-ended // open on both sides, and silent
	}
}

// waste counts a frozen connection on which something is asked. Closing it (X,
// Terminate) does not count.
func (r *databaseRelay) waste(question []byte) {
	if len(question) == 0 || question[0] == 'X' {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wasted++
}

// counts returns how many connections were made, and how many were wasted.
func (r *databaseRelay) counts() (opened, wasted int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opened, r.wasted
}

func carryUntil(to, from net.Conn, frozen <-chan struct{}, closed chan<- struct{}, late func([]byte)) {
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		select {
		case <-frozen:
			late(buffer[:n])
			return
		default:
		}
		if err == nil {
			_, err = to.Write(buffer[:n])
		}
		if err != nil {
			closed <- struct{}{}
			return
		}
	}
}

// startThroughRelay runs the gateway on a server that is reached by a relay.
func startThroughRelay(t *testing.T, storeTimeout time.Duration, emails ...string) (*running, *databaseRelay) {
	t.Helper()
	server := storetest.StartPostgres(t)
	direct := server.Database(t)
	company := uuid.MustParse(listedCompany)
	for _, email := range emails {
		addUser(t, direct, email, &company)
	}
	r := newDatabaseRelay(t, server.Socket())
	through, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	through.Host, through.RawQuery = r.address, "sslmode=disable&pool_min_conns=4&pool_max_conns=4"
	g, log := newGateway(t, revocationTable(t, "30s"), map[string]string{"GATEWAY_DATABASE_URL": through.String()})
	g.RevalidateAge, g.StoreTimeout = time.Hour, storeTimeout
	gateway := launch(t, g, log, nil)
	awaitFeed(t, gateway, "1")
	return gateway, r
}

// TestFrozenConnections logs in over connections that a firewall has dropped.
// The first one costs its time limit, and then no other one is tried.
func TestFrozenConnections(t *testing.T) {
	t.Parallel()
	gateway, r := startThroughRelay(t, 0, "ann@example.com", "bob@example.com", "carl@example.com", "dora@example.com")
	login(t, gateway, "ann@example.com")
	testkit.Eventually(t, "the pool and the feed are connected", func() bool {
		opened, _ := r.counts()
		return opened >= 6
	})
	r.freeze(false)
	login(t, gateway, "ann@example.com")
	_, first := r.counts()
	for _, email := range []string{"bob@example.com", "carl@example.com", "dora@example.com"} {
		login(t, gateway, email)
	}
	_, wasted := r.counts()
	t.Logf("%d frozen connections were asked, %d of them after the first login", wasted, wasted-first)
	if first == 0 {
		t.Error("no frozen connection was asked")
	}
	if wasted-first > 1 { // the feed's own notices for itself
		t.Errorf("%d frozen connections were asked after the first login, want 1 at most", wasted-first)
	}
	awaitFeed(t, gateway, "1")
}

// TestStoreDownAtOnce asks for an unknown user while the database accepts
// connections and sends nothing.
func TestStoreDownAtOnce(t *testing.T) {
	t.Parallel()
	// A wait for the database would be longer than the test.
	gateway, r := startThroughRelay(t, time.Hour, "ann@example.com")
	ann := login(t, gateway, "ann@example.com")
	ask := func() int { return do(t, request{url: gateway.url + "/member", token: ann}).status }
	r.freeze(true)
	awaitStoreUp(t, gateway, "0")
	refused := make(chan struct{})
	go func() {
		defer close(refused)
		for range 3 {
			if got := ask(); got != http.StatusServiceUnavailable {
				t.Errorf("a user whom nobody knows: %d", got)
			}
			if got := tryLogin(t, gateway, "ann@example.com"); got != http.StatusServiceUnavailable {
				t.Errorf("login: %d", got)
			}
		}
	}()
	testkit.ReceiveWithin(t, 4*testkit.Timeout, "the refusals, which may not wait for the database", refused)
	r.mend()
	testkit.Eventually(t, "the user passes again", func() bool { return ask() == http.StatusOK })
	awaitStoreUp(t, gateway, "1")
	awaitFeed(t, gateway, "1")
	if got := tryLogin(t, gateway, "ann@example.com"); got != http.StatusOK {
		t.Errorf("login, with the database back: %d", got)
	}
}
