package listener

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/internal/timerwheel"
	"gatehouse/proxy/http1/server"
)

// failingListener fails with one error, and then accepts.
type failingListener struct {
	net.Listener
	failures chan error
}

func (l failingListener) Accept() (net.Conn, error) {
	select {
	case err := <-l.failures:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
	default:
		return l.Listener.Accept()
	}
}

// unlimited are the options of a Listener without limits.
func unlimited() Options {
	return Options{
		Log: slog.New(slog.DiscardHandler), Wheel: timerwheel.New(),
		Limits: func() (Limits, bool) { return Limits{}, false },
	}
}

// newListener returns a Listener that accepts connections from l, with limits of its own.
func newListener(l net.Listener, o Options) *Listener { return NewClients(o).Listen(l) }

// TestFailedAccepts checks that an accept that fails because of memory or a firewall is
// counted and does not end the gateway. A broken listener ends it (issue 10).
func TestFailedAccepts(t *testing.T) {
	for _, failure := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EPERM, syscall.EPROTO, syscall.EBADF} {
		for _, kind := range []string{"lean", "standard", "operators"} {
			t.Run(kind+"/"+failure.Error(), func(t *testing.T) {
				inner := testkit.Listen(t)
				failing := failingListener{inner, make(chan error, 1)}
				failing.failures <- failure
				standard := &http.Server{
					Handler:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }),
					ErrorLog: testkit.DiscardLog(),
				}
				serve, limited := standard.Serve, newListener(failing, unlimited())
				listener := net.Listener(limited)
				switch kind {
				case "lean":
					plain := server.New(standard)
					t.Cleanup(func() { _ = plain.Close() })
					serve = plain.Serve
				case "operators":
					listener = KeepAccepting(failing)
				}
				t.Cleanup(func() { _ = standard.Close() })
				ended := make(chan error, 1)
				go func() { ended <- serve(listener) }()

				if errors.Is(failure, syscall.EBADF) {
					if err := <-ended; !errors.Is(err, failure) {
						t.Errorf("the server ended with %v, want %v", err, failure)
					}
					return
				}
				client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				answered := make(chan error, 1)
				go func() {
					answer, err := client.Get("http://" + inner.Addr().String())
					if err == nil {
						err = answer.Body.Close()
					}
					answered <- err
				}()
				select {
				case err := <-answered:
					if err != nil {
						t.Errorf("a request after the failure: %v", err)
					}
				case err := <-ended:
					t.Fatalf("the server ended: %v", err)
				}
				if counts := limited.Refused(); kind != "operators" && counts[3] != 1 {
					t.Errorf("counted %v, want one for %q", counts, RefusalReasons[3])
				}
			})
		}
	}
}
