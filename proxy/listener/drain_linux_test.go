package listener

import (
	"net"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// TestQueueEnd checks when the public socket may be closed: when no connection waits and
// there was a pause. When the kernel does not drop connections, also after queueMaxTime.
func TestQueueEnd(t *testing.T) {
	socket := testkit.Listen(t)
	l := &Listener{Listener: socket}
	long := time.Now().Add(-time.Hour)
	end := func(refusing bool) *acceptQueue {
		return &acceptQueue{listener: l, refusing: refusing, since: long, idleTime: time.Minute, idleSince: long, accepted: l.accepted.Load()}
	}
	check := func(what string, q *acceptQueue, want bool) {
		t.Helper()
		if got := q.isEmpty(); got != want {
			t.Errorf("%s: closed is %t, want %t", what, got, want)
		}
	}
	for _, refusing := range []bool{true, false} {
		check("after a pause", end(refusing), true)
		q := end(refusing)
		l.accepted.Add(1)
		check("somebody came", q, !refusing) // time is up
		q.since = time.Now()
		check("somebody came, and there is time", q, false)
		q.idleSince = long
		check("then a pause", q, true)
	}
	client, err := net.Dial("tcp", socket.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, refusing := range []bool{true, false} {
		check("somebody waits", end(refusing), false)
	}
	if q := (&Listener{Listener: struct{ net.Listener }{socket}}).closeQueue(); q.refusing || !q.isEmpty() {
		t.Error("a queue that cannot be looked at is waited for")
	}
}
