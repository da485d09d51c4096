package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

const askShout = "GET /open HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\n"

// TestEarlyBytesArrive sends bytes before the upgrade is complete: the client right after
// its request, in one piece or in several, the backend right after its 101.
func TestEarlyBytesArrive(t *testing.T) {
	t.Parallel()
	const early = "ABCDEFGH"
	long := strings.Repeat("0123456789abcdef", 3<<10) // more than fits in any buffer
	for _, said := range []string{early, long} {
		backend := testkit.ServeRequest(t, func(conn *testkit.ServerConn, _ *http.Request) {
			fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n", said)
			heard := make([]byte, len(said)+len("later"))
			_, _ = io.ReadFull(conn, heard)
			_, _ = conn.Write(heard)
		})
		eachLane(t, upgradeTable, backend, func(t *testing.T, k *kit) {
			for _, split := range []int{0, 1, 4, len(said)} {
				w, sent := k.dial(), make(chan struct{})
				go func() {
					defer close(sent)
					_, _ = io.WriteString(w.Conn, askShout+said[:split])
					_, _ = io.WriteString(w.Conn, said[split:])
				}()
				if res, err := http.ReadResponse(w.In, nil); err != nil || res.StatusCode != 101 {
					t.Fatalf("%+v, %v", res, err)
				}
				fromBackend := make([]byte, len(said))
				if _, err := io.ReadFull(w.In, fromBackend); err != nil || string(fromBackend) != said {
					t.Fatalf("split at %d: behind the 101 came %.40q, %v", split, fromBackend, err)
				}
				<-sent // the bytes of the backend may arrive before all bytes are sent
				w.Send("later")
				if got, err := io.ReadAll(w.In); err != nil || string(got) != said+"later" {
					t.Errorf("split at %d: the backend heard %d bytes, %.40q, %v", split, len(got), got, err)
				}
			}
		})
	}
}

// When a backend switches protocols before it has the whole request, the body and the
// stream would both read from the client.
func TestSwitchBeforeTheBodyIsRefused(t *testing.T) {
	t.Parallel()
	backend := testkit.ServeRequest(t, func(conn *testkit.ServerConn, r *http.Request) {
		if r.URL.Path == "/open/after" {
			_, _ = io.ReadAll(r.Body)
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn)
	})
	eachLane(t, upgradeTable, backend, func(t *testing.T, k *kit) {
		head := " HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: shout\r\nContent-Length: 4\r\n\r\n"
		k.raw("POST /open/early"+head+"ab").wantDetail(t, 502, "An unexpected error occurred communicating with upstream service.")
		w := k.dial()
		w.Send("POST /open/after" + head + "abcd")
		if res, err := http.ReadResponse(w.In, nil); err != nil || res.StatusCode != 101 {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

// TestWebSocketOfWhichOneSideLeft checks that a WebSocket ends soon after one side has
// closed its half and the other ignores that. The idle timeout is minutes.
func TestWebSocketOfWhichOneSideLeft(t *testing.T) {
	t.Parallel()
	for _, leaves := range []string{"client", "backend"} {
		released, done := make(chan struct{}, 2), make(chan struct{})
		backend := testkit.ServeRequest(t, func(conn *testkit.ServerConn, _ *http.Request) {
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			if leaves == "backend" {
				_ = conn.CloseWrite()
			}
			_, _ = io.Copy(io.Discard, conn) // ignores the end
			if leaves == "client" {
				<-done
			}
			released <- struct{}{}
		})
		eachLane(t, upgradeTable, backend, func(t *testing.T, k *kit) {
			w := k.dial()
			w.Send("GET /open HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
			if res, err := http.ReadResponse(w.In, nil); err != nil || res.StatusCode != 101 {
				t.Fatalf("%+v, %v", res, err)
			}
			if leaves == "client" {
				_ = w.CloseWrite()
			}
			if _, err := io.Copy(io.Discard, w.In); err != nil {
				t.Errorf("the client's connection: %v", err)
			}
			if line := k.line(); line["status"] != 101.0 {
				t.Errorf("logged %v", line)
			}
			if leaves == "backend" {
				testkit.Receive(t, "the backend to be released", released)
			}
		})
		t.Cleanup(func() { close(done) })
	}
}

// TestStreamsAreCounted checks that the bytes of a stream are counted, and that its
// duration ends with the header of its answer.
func TestStreamsAreCounted(t *testing.T) {
	t.Parallel()
	const said = "hello, whoever is there"
	backend := testkit.ServeRequest(t, func(conn *testkit.ServerConn, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n"+said)
			_, _ = io.Copy(io.Discard, conn)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"+said)
		one := make([]byte, 1)
		_, _ = conn.Read(one)
	})
	for what, ask := range map[string]string{"upgrade": askShout, "events": "GET /open HTTP/1.1\r\nHost: x\r\n\r\n"} {
		t.Run(what, func(t *testing.T) {
			eachLane(t, upgradeTable, backend, func(t *testing.T, k *kit) {
				w := k.dial()
				began := time.Now()
				w.Send(ask)
				res, err := http.ReadResponse(w.In, nil)
				if err != nil {
					t.Fatal(err)
				}
				untilHead := time.Since(began)
				from := io.Reader(w.In)
				if what == "events" {
					from = res.Body
				}
				got := make([]byte, len(said))
				if _, err := io.ReadFull(from, got); err != nil || string(got) != said {
					t.Fatalf("%q, %v", got, err)
				}
				<-time.After(untilHead + 100*time.Millisecond) // the stream lasts longer than its head takes
				_ = w.Close()
				line := k.line()
				recorded := k.metrics.of("open")
				recorded.mu.Lock()
				defer recorded.mu.Unlock()
				if len(recorded.took) != 1 || recorded.took[0] > untilHead {
					t.Errorf("counted as %v, and the head was there after %v", recorded.took, untilHead)
				}
				if line["bytes"] != float64(len(said)) {
					t.Errorf("logged %v", line)
				}
				if lived, _ := line["duration_ms"].(float64); time.Duration(lived*1e6) < untilHead {
					t.Errorf("logged a duration of %vms, and the head was there after %v", lived, untilHead)
				}
				if what == "upgrade" && recorded.sent != int64(len(said)) {
					t.Errorf("counted %d bytes", recorded.sent)
				}
			})
		})
	}
}
