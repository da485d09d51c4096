// Package store keeps users, in PostgreSQL (postgres.go) or in an embedded
// SQLite file (sqlite.go), behind one interface. What both do alike is written
// once (users.go, rows.go) over the few things they differ in (engine.go), and
// both pass one contract suite (storetest). Whoever has to know of changes
// follows them (feed.go). The schema is brought up to date by embedded
// migrations (migrate.go), which take over the original gateway's `users` table
// as it is.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// The errors a caller decides by. Any other error of a Store means that the
// database could not be asked.
var (
	// ErrNotFound says that no user has that id or e-mail.
	ErrNotFound = errors.New("no such user")
	// ErrEmailTaken says that another user has that e-mail, whatever its case and form.
	ErrEmailTaken = errors.New("e-mail is taken")
)

// DefaultRole is the role of a user who was given none.
const DefaultRole = "user"

// User is one row of the table `users`. Optional columns are pointers, nil
// when null.
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
	// TokensValidAfter is when tokens of this user were last made void: those
	// made before are no longer good. Nil when they never were.
	TokensValidAfter *time.Time `json:"tokens_valid_after"`
}

// Store keeps users. All methods are safe for concurrent use and give up when
// their context ends. Times are UTC.
type Store interface {
	// Address names the database for people: host:port/database, or the path of
	// the file. It never holds a password.
	Address() string
	// Ping asks the database the cheapest question there is.
	Ping(ctx context.Context) error
	// CheckWritable asks whether logins find what they need: users can be read,
	// and written. Now and then it writes a row that counts for nothing. An
	// error that wraps ErrNotWritable says that reading works.
	CheckWritable(ctx context.Context) error

	// UserByID returns ErrNotFound when there is none. Like UserByEmail it sets
	// a tokens_valid_after to now that lies more than 15 minutes ahead: the
	// clock was wrong that wrote it.
	UserByID(ctx context.Context, id uuid.UUID) (User, error)
	// UsersByID returns those of the users that there are, in any order, in one
	// question. Some hundred ids at a time are a good number.
	UsersByID(ctx context.Context, ids []uuid.UUID) ([]User, error)
	// UserByEmail looks the e-mail up without regard to case and to its form (see
	// EmailForm). It returns ErrNotFound when there is none, and
	// ErrEmailAmbiguous when it cannot tell which of several is meant.
	UserByEmail(ctx context.Context, email string) (User, error)
	// EachUser calls visit for every user, ordered by e-mail, and holds only
	// one at a time in memory. It stops at the first error of visit and returns
	// it. visit may use the Store.
	EachUser(ctx context.Context, visit func(User) error) error

	// EmailTwins returns the e-mails that are one in different forms, in groups.
	// AddUser makes none; others may have.
	EmailTwins(ctx context.Context) ([][]string, error)

	// AddUser inserts the user as given; a zero ID, Role, CreatedAt or
	// UpdatedAt is filled in. The e-mail is stored as EmailForm has it. It returns
	// the row as stored, or ErrEmailTaken.
	AddUser(ctx context.Context, user User) (User, error)
	// UpdateUser changes what change sets, and updated_at, in one statement. It
	// returns the row as it is afterwards, or ErrNotFound.
	UpdateUser(ctx context.Context, id uuid.UUID, change Change) (User, error)
	// RenewHash puts another hash of the same password in the place of the old
	// one: the user's tokens stay good, and updated_at stays. Where the hash is
	// not the old one any more, nothing is changed. It returns ErrNotFound when
	// there is no such user.
	RenewHash(ctx context.Context, id uuid.UUID, old, renewed string) error
	// RecordLogin writes last_login, and nothing else: updated_at stays. It
	// returns ErrNotFound when there is no such user.
	RecordLogin(ctx context.Context, id uuid.UUID, at time.Time) error
	// DeleteUser removes the user, or returns ErrNotFound.
	DeleteUser(ctx context.Context, id uuid.UUID) error

	// Attempts bounds the guessing of passwords.
	Attempts

	// Follow keeps the follower told of changes to users, whoever makes them,
	// until ctx ends; it connects again by itself. The last thing it tells is
	// Lost, with ctx's cause.
	Follow(ctx context.Context, follower Follower)

	// Migrate brings the schema up to date and returns the names of the
	// migrations it applied, in order: none when there was nothing to do. Each
	// runs in a transaction of its own. Several processes may call it at once. It
	// returns a *DuplicateEmailsError when users of the original gateway stand in
	// the way.
	Migrate(ctx context.Context) ([]string, error)
	// Pending returns the names of the migrations that Migrate would apply. It
	// only reads.
	Pending(ctx context.Context) ([]string, error)

	// Close gives the connections back. The Store is not used afterwards.
	Close() error
}

// Change is a set of columns to write. Fields that are nil stay as they are.
type Change struct {
	HashedPassword *string     // makes the user's tokens void, too
	CompanyID      **uuid.UUID // outer nil: leave; inner nil: set null
	Role           *string
	Active         *bool
	RevokeTokens   bool // makes the tokens void that were made up to now
}
