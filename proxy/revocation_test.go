package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"gatehouse/auth"
	"gatehouse/auth/keys"
)

// TestStreamsEndWithTheirToken opens an event stream and a WebSocket with a token that
// expires soon. Both must end with the token, and neither may look complete.
func TestStreamsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	k := start(t, `
users: off
routes:
  - {name: strict, prefix: /, backend: "${BACKEND}"}
`, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/socket" {
			echoSocket(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		flush(w)
		<-r.Context().Done()
	})
	keys, err := keys.FromSecret("HS256", []byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	token, err := auth.NewSigner(keys, 10*time.Second, time.Now).Token(testUser, "ann@example.com", &testCompany)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Authorization": {"Bearer " + token}}

	socket, _, err := websocket.Dial(t.Context(), k.url+"/socket", &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	events := k.open("GET", "/events", nil, "Authorization: Bearer "+token)
	if events.StatusCode != http.StatusOK {
		t.Fatalf("events: %d", events.StatusCode)
	}
	if body, err := io.ReadAll(events.Body); err == nil || !strings.HasPrefix(string(body), "data: 1") {
		t.Errorf("events: %q, %v; want a body that breaks off", body, err)
	}
	if _, _, err := socket.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("WebSocket: %v", err)
	}
}
