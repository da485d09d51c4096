// Package store stores users in PostgreSQL (postgres.go) or in an embedded
// SQLite file (sqlite.go), behind one interface. The common code (users.go,
// rows.go) is written once, on top of the few differences (engine.go), and both
// pass one contract suite (storetest). A follower learns of changes (feed.go).
// Embedded migrations update the schema (migrate.go). They adopt the original
// gateway's `users` table as it is.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// The errors that callers distinguish. Any other error of a Store means that
// the database could not be asked.
var (
	// ErrNotFound means that no user has that id or e-mail.
	ErrNotFound = errors.New("no such user")
	// ErrEmailTaken means that another user has that e-mail, in any case and
	// form.
	ErrEmailTaken = errors.New("e-mail is taken")
)

// DefaultRole is the role of a user without an explicit one.
const DefaultRole = "user"

// User is one row of the table `users`. Optional columns are pointers, nil when
// null.
type User struct {
	ID             uuid.UUID  `json:"id"`
	CompanyID      *uuid.UUID `json:"company_id"`
	Email          string     `json:"email"` // unique without regard to case and form
	HashedPassword string     `json:"hashed_password"`
	FullName       *string    `json:"full_name"`
	Role           string     `json:"role"` // DefaultRole when the column is null
	CreatedAt      time.Time  `json:"created_at"`
	UpdatedAt      time.Time  `json:"updated_at"`
	LastLogin      *time.Time `json:"last_login"`
	Active         bool       `json:"is_active"`
	// TokensValidAfter is when the tokens of this user were last revoked: older
	// tokens are no longer good. It is nil when they never were.
	TokensValidAfter *time.Time `json:"tokens_valid_after"`
}

// Store stores users. All methods are safe for concurrent use and stop when
// their context ends. Times are UTC.
type Store interface {
	// Address returns the name of the database for people: host:port/database,
	// or the path of the file. It never contains a password.
	Address() string
	// Ping sends the cheapest possible query.
	Ping(ctx context.Context) error
	// CheckWritable checks whether logins can work: users can be read and
	// written. At intervals it writes a row without effect. An error that wraps
	// ErrNotWritable means that reading works.
	CheckWritable(ctx context.Context) error

	// UserByID returns ErrNotFound for an unknown id. When tokens_valid_after
	// is more than 15 minutes in the future, UserByID and UserByEmail set it to
	// now, because the clock that wrote it was wrong.
	UserByID(ctx context.Context, id uuid.UUID) (User, error)
	// UsersByID returns those of the users that exist, in any order, in one
	// query. A few hundred ids at a time are a good number.
	UsersByID(ctx context.Context, ids []uuid.UUID) ([]User, error)
	// UserByEmail finds a user by e-mail, in any case and form (see EmailForm).
	// It returns ErrNotFound for an unknown e-mail, and ErrEmailAmbiguous when
	// several users match equally well.
	UserByEmail(ctx context.Context, email string) (User, error)
	// EachUser calls visit for every user, ordered by e-mail, with only one
	// user in memory at a time. It stops at the first error of visit and
	// returns it. visit may use the Store.
	EachUser(ctx context.Context, visit func(User) error) error

	// EmailTwins returns groups of e-mails that are different forms of one
	// e-mail. AddUser never creates them; other programs may have.
	EmailTwins(ctx context.Context) ([][]string, error)

	// AddUser inserts the user as given, with defaults for a zero ID, Role,
	// CreatedAt or UpdatedAt. It stores the e-mail in the form of EmailForm. It
	// returns the row as stored, or ErrEmailTaken.
	AddUser(ctx context.Context, user User) (User, error)
	// UpdateUser changes what change sets, and updated_at, in one statement. It
	// returns the row after the change, or ErrNotFound.
	UpdateUser(ctx context.Context, id uuid.UUID, change Change) (User, error)
	// RenewHash replaces a hash by another hash of the same password. The
	// user's tokens stay good, and updated_at does not change. When the stored
	// hash is not the old one any more, nothing is changed. It returns
	// ErrNotFound for an unknown user.
	RenewHash(ctx context.Context, id uuid.UUID, old, renewed string) error
	// RecordLogin writes last_login only; updated_at does not change. It
	// returns ErrNotFound for an unknown user.
	RecordLogin(ctx context.Context, id uuid.UUID, at time.Time) error
	// DeleteUser removes the user, or returns ErrNotFound.
	DeleteUser(ctx context.Context, id uuid.UUID) error

	// Attempts limits the guessing of passwords.
	Attempts

	// Follow reports changes to users to the follower, whoever makes them,
	// until ctx ends. It reconnects by itself. Its last call is Lost, with
	// ctx's cause.
	Follow(ctx context.Context, follower Follower)

	// Migrate updates the schema and returns the names of the migrations it
	// applied, in order; none when the schema was current. Each migration runs
	// in its own transaction. Several processes may call Migrate at once. It
	// returns a *DuplicateEmailsError when users of the original gateway
	// prevent a migration.
	Migrate(ctx context.Context) ([]string, error)
	// Pending returns the names of the migrations that Migrate would apply. It
	// only reads.
	Pending(ctx context.Context) ([]string, error)

	// Close closes the connections. The Store must not be used afterwards.
	Close() error
}

// Change is a set of columns to write. Nil fields do not change.
type Change struct {
	HashedPassword *string     // also revokes the user's tokens
	CompanyID      **uuid.UUID // outer nil: no change; inner nil: set null
	Role           *string
	Active         *bool
	RevokeTokens   bool // revokes the tokens that exist now
}
