package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"gatehouse/internal/testkit"
	"gatehouse/store"
	"gatehouse/store/storetest"
)

// TestStreamsOfARevokedUserEnd opens a WebSocket and an event stream, disables
// their user in the database, and wants both ended; another user's live on.
func TestStreamsOfARevokedUserEnd(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/strict/socket" {
			echoSocket(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(backend.Close) // after the streams, which Close would wait for
	company := uuid.MustParse(listedCompany)
	url := storetest.Postgres(t)
	ann := addUser(t, url, "ann@example.com", &company)
	addUser(t, url, "bob@example.com", &company)
	gateway := start(t, testkit.TempFile(t, "routes.yaml", `routes:
  - {name: users, prefix: /api/v1/users, handler: users}
  - {name: strict, prefix: /strict, backend: "`+backend.URL+`"}
`), map[string]string{"GATEWAY_DATABASE_URL": url})

	open := func(email string) (*websocket.Conn, *http.Response) {
		header := http.Header{"Authorization": {"Bearer " + login(t, gateway, email)}}
		socket, _, err := websocket.Dial(t.Context(), gateway.url+"/strict/socket", &websocket.DialOptions{HTTPHeader: header})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = socket.CloseNow() })
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, gateway.url+"/strict/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header = header
		events, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = events.Body.Close() })
		return socket, events
	}
	annSocket, annEvents := open("ann@example.com")
	bobSocket, _ := open("bob@example.com")

	users, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer users.Close()
	inactive := false
	if _, err := users.UpdateUser(t.Context(), ann.ID, store.Change{Active: &inactive}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, _, err := annSocket.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("the WebSocket: %v", err)
	}
	if _, err := io.ReadAll(annEvents.Body); err == nil {
		t.Error("the event stream ended as if it were complete")
	}
	t.Logf("both ended within %v", time.Since(began))

	if err := bobSocket.Write(t.Context(), websocket.MessageText, []byte("still here")); err != nil {
		t.Fatal(err)
	}
	if _, message, err := bobSocket.Read(t.Context()); err != nil || string(message) != "still here" {
		t.Errorf("another user's WebSocket: %q, %v", message, err)
	}
}
