package store

// This file receives changes from PostgreSQL, which a trigger reports (see the
// second migration).
//
// One connection listens. Another one, made in the same way as those of the
// pool, notifies it every second. This proves more than that a server exists:
// notifications arrive, they arrive in time, and the pool leads to the server
// that is listened to (issue 10).

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
	// usersChannel is the channel of the trigger's notifications.
	usersChannel = "gatehouse_users"
	// heartbeatInterval is the time between two notifications to ourselves.
	heartbeatInterval = time.Second
	// heartbeatTimeout bounds sending a heartbeat and its arrival. A slower
	// feed is not trusted.
	heartbeatTimeout = 3 * time.Second
	// senderAge is the age at which the notifying connection is replaced,
	// because the host of the pool's URL may lead to another server by then.
	senderAge = time.Minute
	// triggersInterval is how often the triggers are checked.
	triggersInterval = 5 * time.Second
)

// errHeartbeatLost means that the feed does not receive what the pool's side
// sends.
var errHeartbeatLost = errors.New("a notification did not arrive within " + heartbeatTimeout.String() + ": a pooler in transaction mode is in between, " +
	"or GATEWAY_DATABASE_URL leads to another database than the feed; GATEWAY_FEED_DATABASE_URL names the server itself")

// keepIdle allows the feed's connection to be idle, whatever the server's
// default. PostgreSQL before 14 has no such setting.
const keepIdle = `SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'idle_session_timeout'`

// follow listens on a connection of its own, so a busy pool cannot delay it.
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
	heartbeats chan int64 // the numbers of heartbeats that arrived; keeps the latest

	sender          *pgx.Conn
	senderMade      time.Time
	triggersChecked time.Time // when the triggers were last checked
}

// open listens before it sends the first notification, so nothing is missed
// after that one arrives. It replaces the pool's connections, so that none
// leads to another server.
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

// run returns the error of the first connection that fails.
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

// close closes both connections properly, where they still work.
func (f *postgresFeed) close(ctx context.Context) {
	for _, conn := range []*pgx.Conn{f.listener, f.sender} {
		if conn != nil {
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
			_ = conn.Close(closing)
			cancel()
		}
	}
}

// sendHeartbeats notifies ourselves once per interval, until a heartbeat does
// not arrive.
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

// renewSender opens a connection outside the pool, which may have none free.
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

// checkTriggers uses the simple protocol, which works through every pooler.
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

// dispatch handles a notification. The first of our own makes it call
// Connected.
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
		return // Connected will report that everything may have changed
	}
	// Anybody may notify the channel. A payload that is not an id may mean any
	// user.
	if id, err := uuid.Parse(notification.Payload); err == nil {
		f.follower.Changed(id)
	} else {
		f.follower.AllChanged()
	}
}

// received passes the number on without waiting.
func (f *postgresFeed) received(payload string) {
	number, err := strconv.ParseInt(payload, 10, 64)
	if err != nil {
		return // not one of ours
	}
	select {
	case <-f.heartbeats: // drop an older one that was not read
	default:
	}
	select {
	case f.heartbeats <- number:
	default:
	}
}
