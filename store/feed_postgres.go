package store

// This file hears of changes in PostgreSQL, which a trigger tells (see the
// second migration).
//
// One connection listens, and another one, made as the pool's are, notifies it
// every second. So what is proved is more than that a server is there: that
// notifications pass, that they pass in time, and that the pool leads to the
// server that is listened to (issue 10).

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// usersChannel is what the trigger notifies.
	usersChannel = "gatehouse_users"
	// heartbeatInterval is the time between two notifications to ourselves.
	heartbeatInterval = time.Second
	// heartbeatTimeout is how long one may take to be sent, and to arrive. A feed that is later is not believed.
	heartbeatTimeout = 3 * time.Second
	// senderAge is when the connection that notifies is made anew: the host of
	// the pool's URL may lead to another server by now.
	senderAge = time.Minute
	// triggersInterval is how often the triggers are looked for.
	triggersInterval = 5 * time.Second
)

// errHeartbeatLost is a feed that does not bring what the pool's side notifies.
var errHeartbeatLost = errors.New("a notification did not arrive within " + heartbeatTimeout.String() + ": a pooler in transaction mode is in between, " +
	"or GATEWAY_DATABASE_URL leads to another database than the feed; GATEWAY_FEED_DATABASE_URL names the server itself")

// keepIdle lets the feed's connection be idle, whatever the server's default.
// PostgreSQL before 14 has no such setting.
const keepIdle = `SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'idle_session_timeout'`

// follow listens on a connection of its own, which a busy pool cannot delay.
func (p *postgres) follow(ctx context.Context, follower Follower) (connected bool, err error) {
	feed := &postgresFeed{
		pool: p, follower: follower, heartbeatChannel: "gatehouse_beat_" + strings.ToLower(rand.Text()), heartbeats: make(chan int64, 1),
	}
	defer feed.close(ctx)
	err = feed.open(ctx)
	if err == nil {
		err = feed.run(ctx)
	}
	return feed.connected, fmt.Errorf("listen to database %s: %w", p.feedAddress, err)
}

// postgresFeed is one connection that listens, and one that notifies it.
type postgresFeed struct {
	pool             *postgres
	follower         Follower
	heartbeatChannel string // the channel of our own notifications
	connected        bool

	listener   *pgx.Conn
	heartbeats chan int64 // the numbers of ours that arrived; the last one stays

	sender          *pgx.Conn
	senderMade      time.Time
	triggersChecked time.Time // when the triggers were looked for
}

// open listens before the first notification is sent: nothing after its arrival
// can be missed. The pool's connections are made anew, so that none is left
// that leads elsewhere.
func (f *postgresFeed) open(ctx context.Context) (err error) {
	opening, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if f.listener, err = pgx.ConnectConfig(opening, f.pool.feed.Copy()); err != nil {
		return err
	}
	for _, statement := range []string{keepIdle, "LISTEN " + usersChannel, "LISTEN " + f.heartbeatChannel} {
		if _, err := f.listener.Exec(opening, statement); err != nil {
			return err
		}
	}
	f.pool.pool.Reset()
	return nil
}

// run returns the error that ends the feed: of whichever connection is first.
func (f *postgresFeed) run(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() { end(f.sendHeartbeats(ctx)) })
	for {
		notification, err := f.listener.WaitForNotification(ctx)
		if err != nil {
			end(err)
			return context.Cause(ctx)
		}
		f.dispatch(notification)
	}
}

// close says goodbye, if there is still somebody to say it to.
func (f *postgresFeed) close(ctx context.Context) {
	for _, conn := range []*pgx.Conn{f.listener, f.sender} {
		if conn != nil {
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
			_ = conn.Close(closing)
			cancel()
		}
	}
}

// sendHeartbeats notifies ourselves once an interval, until one does not arrive.
func (f *postgresFeed) sendHeartbeats(ctx context.Context) error {
	tick := time.NewTicker(heartbeatInterval)
	defer tick.Stop()
	for number := int64(1); ; number++ {
		if err := f.sendHeartbeat(ctx, number); err != nil {
			return err
		}
		if err := f.awaitHeartbeat(ctx, number); err != nil {
			return err
		}
		f.pool.markUp()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (f *postgresFeed) sendHeartbeat(ctx context.Context, number int64) error {
	if err := f.renewSender(ctx); err != nil {
		return fmt.Errorf("connect as the pool does: %w", err)
	}
	sending, cancel := context.WithTimeout(ctx, heartbeatTimeout)
	defer cancel()
	if time.Since(f.triggersChecked) >= triggersInterval {
		if err := f.checkTriggers(sending); err != nil {
			return err
		}
		f.triggersChecked = time.Now()
	}
	_, err := f.sender.Exec(sending, "NOTIFY "+f.heartbeatChannel+", '"+strconv.FormatInt(number, 10)+"'")
	if err != nil {
		return fmt.Errorf("notify ourselves: %w", err)
	}
	return nil
}

// renewSender is a connection beside the pool, which may have none to spare.
func (f *postgresFeed) renewSender(ctx context.Context) (err error) {
	if f.sender != nil && time.Since(f.senderMade) < senderAge {
		return nil
	}
	connecting, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if f.sender != nil {
		_ = f.sender.Close(connecting)
	}
	f.sender, err = pgx.ConnectConfig(connecting, f.pool.pool.Config().ConnConfig.Copy())
	f.senderMade = time.Now()
	return err
}

// checkTriggers goes by the simple protocol, which any pooler lets pass.
func (f *postgresFeed) checkTriggers(ctx context.Context) error {
	rows, err := f.sender.Query(ctx, workingPostgresTriggers, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return fmt.Errorf("look for triggers: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for triggers: %w", err)
	}
	return missingTriggers(f.pool.dialect(), names)
}

func (f *postgresFeed) awaitHeartbeat(ctx context.Context, number int64) error {
	timeout := time.NewTimer(heartbeatTimeout)
	defer timeout.Stop()
	for {
		select {
		case arrived := <-f.heartbeats:
			if arrived == number {
				return nil
			}
		case <-timeout.C:
			return errHeartbeatLost
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// dispatch passes a notification on. Connected comes with the first of our own.
func (f *postgresFeed) dispatch(notification *pgconn.Notification) {
	if notification.Channel == f.heartbeatChannel {
		if !f.connected {
			f.connected = true
			f.follower.Connected()
		}
		f.received(notification.Payload)
		return
	}
	if !f.connected {
		return // Connected will say that everything may have changed
	}
	// Anybody may notify the channel: what is no id may mean any.
	if id, err := uuid.Parse(notification.Payload); err == nil {
		f.follower.Changed(id)
	} else {
		f.follower.AllChanged()
	}
}

// received hands the number on and never waits.
func (f *postgresFeed) received(payload string) {
	number, err := strconv.ParseInt(payload, 10, 64)
	if err != nil {
		return // not ours
	}
	select {
	case <-f.heartbeats: // an older one that nobody took
	default:
	}
	select {
	case f.heartbeats <- number:
	default:
	}
}
