package main

// This file is a server of a backend as a process of its own, so that it can be killed and
// stopped as a real one.

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// replicaCommand is the name under which the test binary is a server; see TestMain.
const replicaCommand = "replica"

// replica is a server in a process of its own. After a restart it has the same address.
type replica struct {
	t       testing.TB
	name    string
	address string
	options []string // certificate and key files, for TLS
	cmd     *exec.Cmd
	orders  io.WriteCloser
	replies *bufio.Reader
}

// loopbacks counts the addresses that replicas have used.
var loopbacks atomic.Uint32

// startReplica starts a server whose answers begin with its name.
func startReplica(t testing.TB, name string, options ...string) *replica {
	t.Helper()
	r := &replica{t: t, name: name, options: options, address: "127.0.0.1:0"}
	if runtime.GOOS == "linux" {
		// Nobody else takes the port of this address while the server is restarted.
		n := uint32(os.Getpid())<<8 + loopbacks.Add(1)
		r.address = fmt.Sprintf("127.%d.%d.%d:0", 1+n>>16%254, n>>8%256, 1+n%254)
	}
	r.start()
	t.Cleanup(r.kill)
	return r
}

// url returns the URL of the server.
func (r *replica) url() string {
	if len(r.options) > 1 {
		return "https://" + r.address
	}
	return "http://" + r.address
}

// start starts the process, and returns when it listens.
func (r *replica) start() {
	r.t.Helper()
	binary, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	r.cmd = exec.Command(binary)
	r.cmd.Args = append([]string{replicaCommand, r.name, r.address}, r.options...)
	r.cmd.Stderr = os.Stderr
	if r.orders, err = r.cmd.StdinPipe(); err != nil {
		r.t.Fatal(err)
	}
	replies, err := r.cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	r.replies = bufio.NewReader(replies)
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.address = r.reply()
}

// reply returns the next line that the server says.
func (r *replica) reply() string {
	r.t.Helper()
	line, err := r.replies.ReadString('\n')
	if err != nil {
		r.t.Fatalf("server %s says nothing: %v", r.name, err)
	}
	return strings.TrimSpace(line)
}

// order makes the server do something else, and returns when it does.
func (r *replica) order(what string) {
	r.t.Helper()
	if _, err := io.WriteString(r.orders, what+"\n"); err != nil {
		r.t.Fatal(err)
	}
	if answer := r.reply(); answer != "done" {
		r.t.Fatalf("server %s, told %q: %s", r.name, what, answer)
	}
}

// signal sends the process a signal.
func (r *replica) signal(s os.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// kill ends the process at once, as kill -9 does.
func (r *replica) kill() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

// stop lets the process end by itself: it answers what it has, and closes its connections.
func (r *replica) stop() {
	r.t.Helper()
	r.signal(syscall.SIGTERM)
	if err := r.cmd.Wait(); err != nil {
		r.t.Errorf("server %s: %v", r.name, err)
	}
}

// served is the state of a replica in its own process.
type served struct {
	name    string
	status  atomic.Int64 // of all answers, unless it is 0
	ill     atomic.Bool  // the health check fails
	closes  atomic.Bool  // answers say Connection: close
	resets  atomic.Bool  // connections are reset when they are accepted
	slow    atomic.Int64 // how long each request takes, in nanoseconds
	tls     []string
	address string
	server  atomic.Pointer[http.Server]
}

// serveReplica is the main function of a replica. It obeys the orders on its input.
func serveReplica() {
	s := &served{name: os.Args[1], address: os.Args[2], tls: os.Args[3:]}
	if err := s.listen(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM)
	go func() {
		<-stopped
		ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
		defer cancel()
		if s.server.Load().Shutdown(ctx) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}()
	fmt.Println(s.address)
	for orders := bufio.NewScanner(os.Stdin); orders.Scan(); {
		if err := s.obey(strings.Fields(orders.Text())); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("done")
	}
}

var errOrder = errors.New("unknown order")

func (s *served) obey(order []string) error {
	switch order[0] {
	case "status":
		var status int64
		if _, err := fmt.Sscan(order[1], &status); err != nil {
			return err
		}
		s.status.Store(status)
	case "slow":
		pause, err := time.ParseDuration(order[1])
		if err != nil {
			return err
		}
		s.slow.Store(int64(pause))
	case "ill":
		s.ill.Store(true)
	case "close":
		s.closes.Store(true)
	case "reset": // also the connections that there are
		s.resets.Store(true)
		return s.relisten()
	case "accept":
		s.resets.Store(false)
	case "refuse":
		return s.server.Load().Close()
	case "listen":
		return s.listen()
	default:
		return errOrder
	}
	return nil
}

// relisten closes all connections and listens again.
func (s *served) relisten() error {
	if err := s.server.Load().Close(); err != nil {
		return err
	}
	return s.listen()
}

func (s *served) listen() error {
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return err
	}
	s.address = listener.Addr().String()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: s, Protocols: protocols}
	s.server.Store(server)
	go func() {
		if len(s.tls) == 2 {
			_ = server.ServeTLS(resetListener{listener, &s.resets}, s.tls[0], s.tls[1])
			return
		}
		_ = server.Serve(resetListener{listener, &s.resets})
	}()
	return nil
}

// resetListener resets connections when they are accepted, while resets is set.
type resetListener struct {
	net.Listener
	resets *atomic.Bool
}

// Accept implements net.Listener.
func (l resetListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || !l.resets.Load() {
			return conn, err
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}

// ServeHTTP implements http.Handler. It answers with the name, and the size and the digest
// of the body.
func (s *served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" {
		if s.ill.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return
	}
	digest := sha256.New()
	size, err := io.Copy(digest, r.Body)
	if err != nil {
		return
	}
	if pause := time.Duration(s.slow.Load()); pause > 0 {
		<-time.After(pause)
	}
	if s.closes.Load() {
		w.Header().Set("Connection", "close")
	}
	if status := s.status.Load(); status != 0 {
		w.WriteHeader(int(status))
	}
	_, _ = fmt.Fprintf(w, "%s %d %s", s.name, size, hex.EncodeToString(digest.Sum(nil)))
}
