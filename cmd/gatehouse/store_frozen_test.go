package main

// This file tests connections to the database that carry nothing any more, as
// after a firewall has forgotten them, and a database that does not answer at
// all (issue 10).

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/store/storetest"
)

// databaseRelay carries bytes between a port and a server's socket.
type databaseRelay struct {
	address string
	socket  string

	mu     sync.Mutex
	frozen chan struct{} // closed when the connections made so far carry nothing
	dead   bool          // nor do new ones
}

func newDatabaseRelay(t *testing.T, socket string) *databaseRelay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	r := &databaseRelay{address: listener.Addr().String(), socket: socket, frozen: make(chan struct{})}
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go r.serve(near, ended)
		}
	}()
	return r
}

// freeze has the connections of now carry nothing, and those to come as well
// when the server is to be dead.
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
	defer near.Close()
	r.mu.Lock()
	frozen, dead := r.frozen, r.dead
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
	go carryUntil(far, near, frozen, closed)
	go carryUntil(near, far, frozen, closed)
	select {
	case <-closed:
	case <-frozen:
		<-ended // open on both sides, and silent
	}
}

func carryUntil(to, from net.Conn, frozen <-chan struct{}, closed chan<- struct{}) {
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		select {
		case <-frozen:
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
func startThroughRelay(t *testing.T, emails ...string) (*running, *databaseRelay) {
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
	through.Host, through.RawQuery = r.address, "sslmode=disable"
	gateway := startOn(t, through.String())
	awaitFeed(t, gateway, "1")
	return gateway, r
}

// postLogin returns the status of a login with testPassword.
func postLogin(gateway, email string) (int, error) {
	res, err := http.Post(gateway+"/api/v1/users/login", "application/json",
		strings.NewReader(`{"email":"`+email+`","password":"`+testPassword+`"}`))
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// TestFrozenConnections logs in over connections that a firewall has forgotten.
func TestFrozenConnections(t *testing.T) {
	t.Parallel()
	emails := []string{"ann@example.com", "bob@example.com", "carl@example.com", "dora@example.com"}
	gateway, r := startThroughRelay(t, emails...)
	logins := func(when string) (slowest time.Duration) {
		var (
			group sync.WaitGroup
			mu    sync.Mutex
		)
		for _, email := range emails {
			group.Go(func() {
				began := time.Now()
				status := http.StatusTooManyRequests // others of this address are under way
				for status == http.StatusTooManyRequests && time.Since(began) < testPatience {
					var err error
					if status, err = postLogin(gateway.url, email); err != nil {
						t.Errorf("%s: login: %v", when, err)
						return
					}
				}
				mu.Lock()
				defer mu.Unlock()
				slowest = max(slowest, time.Since(began))
				if status != http.StatusOK {
					t.Errorf("%s: login: %d after %s", when, status, time.Since(began))
				}
			})
		}
		group.Wait()
		return slowest
	}
	logins("before")
	r.freeze(false)
	took := logins("with connections that carry nothing")
	t.Logf("the slowest login took %s", took.Round(time.Millisecond))
	if took > 12*time.Second {
		t.Errorf("the slowest login took %s, want a few seconds", took)
	}
	awaitFeed(t, gateway, "1")
}

// TestStoreDownAtOnce asks for a user whom nobody knows while the database takes
// connections and says nothing.
func TestStoreDownAtOnce(t *testing.T) {
	t.Parallel()
	gateway, r := startThroughRelay(t, "ann@example.com")
	ann := login(t, gateway, "ann@example.com")
	ask := func() int { return do(t, request{url: gateway.url + "/member", token: ann}).status }
	r.freeze(true)
	awaitStoreUp(t, gateway, "0")
	for range 3 {
		began := time.Now()
		if got := ask(); got != http.StatusServiceUnavailable {
			t.Errorf("a user whom nobody knows: %d", got)
		}
		if got := tryLogin(t, gateway, "ann@example.com"); got != http.StatusServiceUnavailable {
			t.Errorf("login: %d", got)
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("two refusals took %s, want them at once", took)
		}
	}
	r.mend()
	eventually(t, "the user passes again", func() bool { return ask() == http.StatusOK })
	awaitStoreUp(t, gateway, "1")
	awaitFeed(t, gateway, "1")
	if got := tryLogin(t, gateway, "ann@example.com"); got != http.StatusOK {
		t.Errorf("login, with the database back: %d", got)
	}
}
