package store

// This file connects to PostgreSQL through a pool of pgx connections.

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

const (
	// minConns leaves a connection for the queries of EachUser's visit, since
	// EachUser holds one.
	minConns = 2
	// connectTimeout bounds one attempt; pgx waits two minutes.
	connectTimeout = 5 * time.Second
	// connLifetime is the age at which a connection is replaced, because the
	// host's name may lead to another server by then. pgxpool waits an hour.
	connLifetime = 5 * time.Minute
	// migrationLock is the key of the advisory lock for migrations. It can be
	// any number that no other application in the database uses.
	migrationLock = 0x6761_7465_686f_7573 // "gatehous"
	// uniqueViolation is an SQLSTATE: PostgreSQL manual, appendix A.
	uniqueViolation = "23505"
)

// workingPostgresTriggers returns the names of the triggers that fire for every
// writer (A, for ALWAYS) and that notify where they should.
const workingPostgresTriggers = `SELECT tgname::text FROM pg_catalog.pg_trigger JOIN pg_catalog.pg_proc ON pg_proc.oid = tgfoid
	WHERE tgrelid = to_regclass('users') AND NOT tgisinternal AND tgenabled = 'A'
	AND (tgname NOT LIKE 'gatehouse_users_tell%' OR prosrc LIKE '%pg_notify(''gatehouse_users''%')`

type postgres struct {
	pool    *pgxpool.Pool
	address string
	// feed configures the listening connection, and feedAddress names its
	// server.
	feed        *pgx.ConnConfig
	feedAddress string
	// statementTimeout comes from Options.
	statementTimeout time.Duration
	// down is set while the database is known to be down.
	down atomic.Pointer[outage]
}

func openPostgres(ctx context.Context, databaseURL string, opts Options) (engine, error) {
	config, err := postgresConfig(databaseURL)
	if err != nil {
		return nil, err
	}
	if opts.MaxConns > 0 {
		config.MaxConns = int32(min(opts.MaxConns, 10_000))
	}
	config.MaxConns = max(config.MaxConns, minConns)
	feed := config
	if opts.FeedURL != "" {
		if feed, err = postgresConfig(opts.FeedURL); err != nil {
			return nil, fmt.Errorf("the feed's database: %w", err)
		}
	}
	p := &postgres{address: postgresAddress(config), feed: feed.ConnConfig.Copy(), feedAddress: postgresAddress(feed)}
	p.statementTimeout = cmp.Or(opts.StatementTimeout, statementTimeout)
	config.ShouldPing = p.isDead
	p.pool, err = pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", p.address, err)
	}
	return p, nil
}

// postgresConfig parses the URL. The password is added after the rest is
// parsed, because errors of pgx repeat what it could not parse.
func postgresConfig(databaseURL string) (*pgxpool.Config, error) {
	bare, password, err := cutPassword(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("read database URL: %w", err)
	}
	config, err := pgxpool.ParseConfig(bare)
	if err != nil {
		return nil, fmt.Errorf("read database URL: %w", err)
	}
	if password != "" {
		config.ConnConfig.Password = password
	}
	if !strings.Contains(bare, "connect_timeout=") {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "gatehouse"
	}
	if !strings.Contains(bare, "pool_max_conn_lifetime=") {
		config.MaxConnLifetime, config.MaxConnLifetimeJitter = connLifetime, connLifetime/5
	}
	if !strings.Contains(bare, "pool_max_conn_idle_time=") {
		config.MaxConnIdleTime = connLifetime
	}
	if !strings.Contains(bare, "target_session_attrs=") && os.Getenv("PGTARGETSESSIONATTRS") == "" {
		config.ConnConfig.ValidateConnect = validatePrimary
	}
	config.ConnConfig.OnPgError = keepConnection
	return config, nil
}

// cutPassword removes the password from scheme://user:password@host/database.
// Like libpq, it ends user and password at the first @ unless a / comes before.
func cutPassword(databaseURL string) (bare, password string, err error) {
	scheme, rest, ok := strings.Cut(databaseURL, "://")
	if !ok {
		return "", "", errURL
	}
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		user, escaped, _ := strings.Cut(rest[:i], ":")
		password, err = url.PathUnescape(escaped)
		if err != nil {
			return "", "", errors.New("the password has a % that begins no escape; write % as %25")
		}
		rest = rest[i+1:]
		databaseURL = scheme + "://" + user + "@" + rest
	}
	// The rest of a password with a bare @ or / must not be in a message.
	if strings.Contains(rest, "@") {
		return "", "", errors.New("an @ stands in the wrong place; in a password write @ as %40, / as %2F, : as %3A")
	}
	return databaseURL, password, nil
}

// postgresAddress returns host:port/database, with all hosts of a list.
func postgresAddress(config *pgxpool.Config) string {
	conn := config.ConnConfig
	hosts := []string{net.JoinHostPort(conn.Host, strconv.Itoa(int(conn.Port)))}
	// pgx lists a host twice, with and without TLS, when sslmode allows both.
	for _, other := range conn.Fallbacks {
		host := net.JoinHostPort(other.Host, strconv.Itoa(int(other.Port)))
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return strings.Join(hosts, ",") + "/" + conn.Database
}

// Address implements Store.
func (p *postgres) Address() string { return p.address }

// Close implements Store.
func (p *postgres) Close() error {
	p.pool.Close()
	return nil
}

func (p *postgres) query(ctx context.Context, statement string, args []any, visit func(row) error) error {
	return queryPostgres(ctx, p.pool, statement, args, visit)
}

// queryPostgres runs a statement on the pool, or in a transaction.
func queryPostgres(ctx context.Context, on interface {
	Query(ctx context.Context, statement string, args ...any) (pgx.Rows, error)
}, statement string, args []any, visit func(row) error,
) error {
	rows, err := on.Query(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := visit(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (p *postgres) isUniqueViolation(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == uniqueViolation
}

func (p *postgres) dialect() dialect {
	return dialect{
		goose:      goose.DialectPostgres,
		migrations: "migrations/postgres",
		byBytes:    `COLLATE "C"`,
		revokedBy:  `GREATEST(CAST(%s AS timestamptz), tokens_valid_after + interval '1 second')`,
		lockRow:    "FOR UPDATE",
		inList:     `IN (SELECT CAST(one AS uuid) FROM json_array_elements_text(CAST($1 AS json)) AS one)`,
		// to_regclass uses the search_path, as the statements do.
		tableExists: `SELECT 1 WHERE to_regclass($1) IS NOT NULL`,
		triggers: []string{
			"gatehouse_users_revoke", "gatehouse_users_tell", "gatehouse_users_tell_truncate", "gatehouse_users_tell_update",
		},
		workingTriggers: workingPostgresTriggers,
		restoreTriggers: postgresTriggers,
	}
}

// migrationDB opens separate connections for the migrations. One holds the lock
// while another migrates, and neither should wait for a free connection of the
// pool. The lock is PostgreSQL's session lock. It is acquired before goose
// reads its version table, which goose's own locker does not protect. Waiting
// for the lock ends with ctx. Closing the session releases it.
func (p *postgres) migrationDB(ctx context.Context) (*sql.DB, func(), error) {
	db := stdlib.OpenDB(*p.pool.Config().ConnConfig)
	release := func() { _ = db.Close() }
	session, err := db.Conn(ctx)
	if err == nil {
		release = func() { _, _ = session.Close(), db.Close() }
		_, err = session.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock))
	}
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("lock database %s for migration: %w", p.address, err)
	}
	return db, release, nil
}
