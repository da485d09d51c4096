package store

// This file hears of changes in PostgreSQL, which a trigger tells (see the
// second migration).

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// usersChannel is what the trigger notifies.
	usersChannel = "gatehouse_users"
	// beat is how long a silence lasts before the feed asks whether it still
	// hears, and how long the answer may take: a peer that is gone without a
	// word is noticed within two of them.
	beat = time.Second
)

// errDeaf is a connection that takes our notifications and does not bring
// them, such as one through a pooler that hands every statement to another.
var errDeaf = errors.New("a notification to ourselves did not arrive; LISTEN needs a connection of its own, not a pooler's")

// follow listens on a connection of its own, which a busy pool cannot delay.
func (p *postgres) follow(ctx context.Context, follower Follower) (connected bool, err error) {
	opening, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(opening, p.pool.Config().ConnConfig.Copy())
	if err != nil {
		return false, fmt.Errorf("listen to database %s: %w", p.address, err)
	}
	defer closeFeed(ctx, conn)
	ear := &postgresFeed{conn: conn, follower: follower, own: "gatehouse_beat_" + strings.ToLower(rand.Text())}
	if err = ear.open(opening); err == nil {
		err = ear.listen(ctx)
	}
	return ear.connected, fmt.Errorf("listen to database %s: %w", p.address, err)
}

// closeFeed says goodbye, if there is still somebody to say it to.
func closeFeed(ctx context.Context, conn *pgx.Conn) {
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), beat)
	defer cancel()
	_ = conn.Close(closing)
}

// postgresFeed is one connection that listens.
type postgresFeed struct {
	conn      *pgx.Conn
	follower  Follower
	own       string // the channel of our own notifications
	asked     bool   // one of ours is under way
	connected bool
}

// open listens before it asks whether it hears: nothing after the first answer
// can be missed.
func (f *postgresFeed) open(ctx context.Context) error {
	for _, channel := range []string{usersChannel, f.own} {
		if _, err := f.conn.Exec(ctx, "LISTEN "+channel); err != nil {
			return err
		}
	}
	return f.ask(ctx)
}

// ask sends a notification to ourselves.
func (f *postgresFeed) ask(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, beat)
	defer cancel()
	_, err := f.conn.Exec(asking, "NOTIFY "+f.own)
	f.asked = true
	return err
}

// listen returns the error that ends the feed.
func (f *postgresFeed) listen(ctx context.Context) error {
	for {
		notification, err := f.next(ctx)
		switch {
		case notification != nil:
			f.tell(notification)
		case ctx.Err() != nil || !pgconn.Timeout(err) || f.conn.IsClosed():
			return err
		case f.asked:
			return errDeaf
		default:
			if err := f.ask(ctx); err != nil {
				return err
			}
		}
	}
}

// next waits one beat.
func (f *postgresFeed) next(ctx context.Context) (*pgconn.Notification, error) {
	waiting, cancel := context.WithTimeout(ctx, beat)
	defer cancel()
	return f.conn.WaitForNotification(waiting)
}

func (f *postgresFeed) tell(notification *pgconn.Notification) {
	if notification.Channel == f.own {
		f.asked = false
		if !f.connected {
			f.connected = true
			f.follower.Connected()
		}
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
