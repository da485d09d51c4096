package store

// This file protects requests from connection problems with PostgreSQL:
// connections to a server that became a standby, connections that a firewall
// has dropped, and a database that does not answer at all (issue 10).

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// pingAfterIdle is how long a connection is idle before it is checked, and
	// pingTimeout bounds that check.
	pingAfterIdle = time.Second
	pingTimeout   = time.Second
	// closeTimeout bounds the proper closing of a feed connection.
	closeTimeout = 500 * time.Millisecond
	// statementTimeout is the default bound on a statement, after which it runs
	// once more. statementExtra is added for the second run, and for a
	// statement that must not run twice.
	statementTimeout = 3 * time.Second
	statementExtra   = 2 * time.Second
	// outageAge is how long an outage is assumed without a failed Ping.
	outageAge = 15 * time.Second

	// SQLSTATEs: PostgreSQL manual, appendix A.
	readOnlyTransaction = "25006"
	adminShutdown       = "57P01"
	crashShutdown       = "57P02"
	planChanged         = "0A000" // cached plan must not change result type
	noSuchStatement     = "26000" // prepared on another connection of a pooler
	duplicateStatement  = "42P05"
)

// validatePrimary accepts a connection to a primary that accepts writes, like
// target_session_attrs. It never accepts a standby. It accepts a server that is
// read-only for other reasons only when the URL names no better one.
func validatePrimary(ctx context.Context, conn *pgconn.PgConn) error {
	result, err := conn.Exec(ctx, "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')").ReadAll()
	if err != nil {
		return err
	}
	switch row := result[0].Rows[0]; {
	case string(row[0]) == "t":
		return pgconn.ErrStandbyConnection
	case string(row[1]) == "on":
		// For a primary this returns a NotPreferredError, which cannot be
		// constructed in another way.
		return pgconn.ValidateConnectTargetSessionAttrsPreferStandby(ctx, conn)
	}
	return nil
}

// keepConnection reports whether a connection is usable after an error. A
// connection to a server that has become read-only is not, even if the server
// stays reachable. A connection that the server closes after the error is not
// usable either.
func keepConnection(_ *pgconn.PgConn, err *pgconn.PgError) bool {
	return !strings.EqualFold(err.Severity, "FATAL") && err.Code != readOnlyTransaction && !strings.HasPrefix(err.Code, "57P0")
}

// isDead checks whether a connection that was idle still works. When it does
// not, the other connections of the pool are dropped, too, because each of them
// would cost the time limit. It implements pgxpool's ShouldPing, whose own ping
// fails at once on a closed connection.
func (p *postgres) isDead(ctx context.Context, idle pgxpool.ShouldPingParams) bool {
	if idle.IdleDuration < pingAfterIdle {
		return false
	}
	pinging, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if idle.Conn.Ping(pinging) == nil {
		return false
	}
	closeSocket(idle.Conn)
	if ctx.Err() == nil {
		p.pool.Reset()
	}
	return true
}

// closeSocket closes the socket of a connection that failed, so that its place
// in the pool is free at once. pgx waits up to 15 seconds for the server to
// close it.
func closeSocket(conn *pgx.Conn) { _ = conn.PgConn().Conn().Close() }

// exec implements engine. A single statement is a transaction of its own.
func (p *postgres) exec(ctx context.Context, effect effect, statement string, args []any, visit func(row) error) error {
	if err := p.checkDown(); err != nil {
		return err
	}
	limit, last := p.statementTimeout, p.statementTimeout+statementExtra
	if effect == writeOnce {
		limit = last
	}
	retry, err := p.execOnce(ctx, limit, effect, statement, args, visit)
	if retry {
		_, err = p.execOnce(ctx, last, effect, statement, args, visit)
	}
	return err
}

// transact implements engine.
func (p *postgres) transact(ctx context.Context, do func(run runFunc) error) error {
	if err := p.checkDown(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, p.statementTimeout+statementExtra)
	defer cancel()
	conn, err := p.pool.Acquire(limited)
	if err != nil {
		return err
	}
	defer conn.Release()
	err = pgx.BeginFunc(limited, conn, func(tx pgx.Tx) error {
		return do(func(_ context.Context, statement string, args []any, visit func(row) error) error {
			return queryPostgres(limited, tx, statement, args, visit)
		})
	})
	if err != nil && limited.Err() != nil {
		closeSocket(conn.Conn())
	}
	return err
}

// execOnce reports whether the statement may run again after an error.
func (p *postgres) execOnce(
	ctx context.Context, limit time.Duration, effect effect, statement string, args []any, visit func(row) error,
) (retry bool, err error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := p.pool.Acquire(limited)
	if err != nil {
		return false, err // no better connection was available
	}
	defer conn.Release()
	refused := false // by visit: another connection does not help
	err = queryPostgres(limited, conn, statement, args, func(r row) error {
		err := visit(r)
		refused = err != nil
		return err
	})
	if err != nil && limited.Err() != nil {
		closeSocket(conn.Conn())
		if ctx.Err() == nil {
			err = fmt.Errorf("no answer within %s: %w", limit, err)
			p.pool.Reset() // the other connections lead to the same server
		}
	}
	return !refused && mayRepeat(effect, err) && ctx.Err() == nil, err
}

// mayRepeat reports whether the connection caused the error, so that another
// one may work, and running the statement twice does no harm.
func mayRepeat(effect effect, err error) bool {
	if err == nil {
		return false
	}
	refused := new(pgconn.PgError)
	if errors.As(err, &refused) {
		switch refused.Code {
		case readOnlyTransaction, planChanged, noSuchStatement, duplicateStatement: // nothing was done
			return true
		case adminShutdown, crashShutdown:
			return effect != writeOnce
		}
		return false
	}
	return pgconn.SafeToRetry(err) || effect != writeOnce
}

// outage describes a database that does not answer.
type outage struct {
	since time.Time
	err   error
}

// Ping implements Store. It determines whether the database is known to be
// down. Regular pings spare requests the wait for a database that is down.
func (p *postgres) Ping(ctx context.Context) error {
	err := p.pingOnce(ctx)
	if err != nil && ctx.Err() == nil { // the connection may be broken, and others like it
		p.pool.Reset()
		err = p.pool.Ping(ctx)
	}
	if err == nil {
		p.markUp()
		return nil
	}
	err = fmt.Errorf("ping database %s: %w", p.address, err)
	if !errors.Is(ctx.Err(), context.Canceled) {
		p.down.Store(&outage{time.Now(), err})
	}
	return err
}

// pingOnce pings over a connection of the pool, and closes it when no answer
// arrives in time.
func (p *postgres) pingOnce(ctx context.Context) error {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	pinging, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err = conn.Ping(pinging); err != nil {
		closeSocket(conn.Conn())
	}
	return err
}

// markUp ends an outage.
func (p *postgres) markUp() {
	if p.down.Load() != nil {
		p.down.Store(nil)
	}
}

// checkDown returns an error while the database is known to be down.
func (p *postgres) checkDown() error {
	down := p.down.Load()
	if down == nil || time.Since(down.since) > outageAge {
		return nil
	}
	return fmt.Errorf("not asked, because it did not answer a moment ago: %w", down.err)
}
