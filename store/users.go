package store

// This file implements the Store's methods about users, for both databases.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

const (
	selectByID = `SELECT ` + userColumns + ` FROM users WHERE id = $1`

	insertUser = `INSERT INTO users (` + userColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING ` + userColumns

	updateBoundTokens = `UPDATE users SET tokens_valid_after = $2
		WHERE id = $1 AND tokens_valid_after > $3 RETURNING ` + userColumns

	// The first of these revokes tokens, by a trigger. The second undoes that
	// before anybody else can see it.
	renewHash  = `UPDATE users SET hashed_password = $2 WHERE id = $1 RETURNING ` + userColumns
	keepTokens = `UPDATE users SET tokens_valid_after = $2 WHERE id = $1 RETURNING ` + userColumns

	updateLogin = `UPDATE users SET last_login = $2 WHERE id = $1 RETURNING ` + userColumns

	deleteUser = `DELETE FROM users WHERE id = $1 RETURNING ` + userColumns
)

// maxAhead is how far in the future tokens_valid_after may lie: as far as the
// longest wait after wrong passwords.
const maxAhead = 15 * time.Minute

// sqlStore implements Store on an engine.
type sqlStore struct {
	engine
	now func() time.Time
	// writeDue is when CheckWritable writes next, in seconds since 1970.
	writeDue atomic.Int64
}

var _ Store = (*sqlStore)(nil)

// UserByID implements Store.
func (s *sqlStore) UserByID(ctx context.Context, id uuid.UUID) (User, error) {
	user, err := queryUser(ctx, s.execFor(reads), selectByID, id)
	user = s.boundTokens(ctx, user)
	return user, wrap("find user by id", err)
}

// UsersByID implements Store.
func (s *sqlStore) UsersByID(ctx context.Context, ids []uuid.UUID) ([]User, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, wrap("list ids", err)
	}
	found := make(map[uuid.UUID]User, len(ids)) // a second run finds some users again
	statement := `SELECT ` + userColumns + ` FROM users WHERE id ` + s.dialect().inList
	err = s.exec(ctx, reads, statement, []any{string(list)}, func(r row) error {
		user, err := scanUser(r)
		found[user.ID] = user
		return err
	})
	if err != nil {
		return nil, wrap("find users by id", err)
	}
	all := make([]User, 0, len(found))
	for _, user := range found {
		all = append(all, s.boundTokens(ctx, user))
	}
	return all, nil
}

// UserByEmail implements Store.
func (s *sqlStore) UserByEmail(ctx context.Context, email string) (User, error) {
	user, err := s.userByEmail(ctx, email)
	user = s.boundTokens(ctx, user)
	return user, wrap("find user by e-mail", err)
}

// boundTokens returns the user, with tokens_valid_after corrected when a clock
// that was ahead wrote it. Such a clock could revoke all tokens of the next
// year (issue 10). After the correction, the tokens made until now are revoked.
// When the correction cannot be written, the old value stays and tokens stay
// revoked.
func (s *sqlStore) boundTokens(ctx context.Context, user User) User {
	now := storedTime(s.now())
	if user.TokensValidAfter == nil || user.TokensValidAfter.Sub(now) <= maxAhead {
		return user
	}
	// The statement does nothing when the row was changed meanwhile.
	changed, err := queryUser(ctx, s.execFor(writes), updateBoundTokens, user.ID, now, now.Add(maxAhead))
	if err != nil {
		return user
	}
	return changed
}

// EachUser implements Store.
func (s *sqlStore) EachUser(ctx context.Context, visit func(User) error) error {
	var stopped error
	statement := `SELECT ` + userColumns + ` FROM users ORDER BY lower(email) ` + s.dialect().byBytes + `, id`
	err := s.query(ctx, statement, nil, func(r row) error {
		user, err := scanUser(r)
		if err != nil {
			return err
		}
		stopped = visit(user)
		return stopped
	})
	if stopped != nil {
		return stopped
	}
	return wrap("list users", err)
}

// AddUser implements Store.
func (s *sqlStore) AddUser(ctx context.Context, user User) (User, error) {
	// The unique index does not recognize other forms of the e-mail, which
	// other programs may have stored.
	taken, err := s.usersByEmail(ctx, user.Email)
	if err != nil {
		return User{}, wrap("add user", err)
	}
	if len(taken) > 0 {
		return User{}, ErrEmailTaken
	}
	added, err := queryUser(ctx, s.execFor(writeOnce), insertUser, userValues(user, s.now())...)
	if s.isUniqueViolation(err) {
		// The id or the e-mail may be taken, and the original's table may have
		// constraints of other names. A query shows which it was.
		if _, findErr := s.UserByEmail(ctx, user.Email); findErr == nil {
			return User{}, ErrEmailTaken
		}
	}
	return added, wrap("add user", err)
}

// UpdateUser implements Store.
func (s *sqlStore) UpdateUser(ctx context.Context, id uuid.UUID, change Change) (User, error) {
	set, args := change.assignments(s.now(), s.dialect())
	args = append(args, id)
	statement := `UPDATE users SET ` + set + ` WHERE id = $` + strconv.Itoa(len(args)) + ` RETURNING ` + userColumns
	user, err := queryUser(ctx, s.execFor(writes), statement, args...)
	return user, wrap("update user", err)
}

// RenewHash implements Store.
func (s *sqlStore) RenewHash(ctx context.Context, id uuid.UUID, old, renewed string) error {
	err := s.transact(ctx, func(run runFunc) error {
		user, err := queryUser(ctx, run, selectByID+" "+s.dialect().lockRow, id)
		if err != nil || user.HashedPassword != old {
			return err
		}
		if _, err := queryUser(ctx, run, renewHash, id, renewed); err != nil {
			return err
		}
		_, err = queryUser(ctx, run, keepTokens, id, user.TokensValidAfter)
		return err
	})
	return wrap("renew hash", err)
}

// RecordLogin implements Store.
func (s *sqlStore) RecordLogin(ctx context.Context, id uuid.UUID, at time.Time) error {
	_, err := queryUser(ctx, s.execFor(writes), updateLogin, id, storedTime(at))
	return wrap("record login", err)
}

// DeleteUser implements Store.
func (s *sqlStore) DeleteUser(ctx context.Context, id uuid.UUID) error {
	_, err := queryUser(ctx, s.execFor(writeOnce), deleteUser, id)
	return wrap("delete user", err)
}

// exec is the engine's exec. After a failed write, CheckWritable writes at
// once.
func (s *sqlStore) exec(ctx context.Context, effect effect, statement string, args []any, visit func(row) error) error {
	err := s.engine.exec(ctx, effect, statement, args, visit)
	if err != nil && effect != reads {
		s.writeDue.Store(0)
	}
	return err
}

// execFor returns exec for one effect.
func (s *sqlStore) execFor(effect effect) runFunc {
	return func(ctx context.Context, statement string, args []any, visit func(row) error) error {
		return s.exec(ctx, effect, statement, args, visit)
	}
}

// queryUser returns the user in the only row of a statement, or ErrNotFound.
func queryUser(ctx context.Context, run runFunc, statement string, args ...any) (User, error) {
	var user User
	found := false
	err := run(ctx, statement, args, func(r row) error {
		var err error
		user, err = scanUser(r)
		found = true
		return err
	})
	if err != nil {
		return User{}, err
	}
	if !found {
		return User{}, ErrNotFound
	}
	return user, nil
}

// wrap adds to an error what was being done. It returns a sentinel unchanged,
// because a sentinel is an answer and not a failure.
func wrap(doing string, err error) error {
	if err == nil || errors.Is(err, ErrNotFound) {
		return err
	}
	return fmt.Errorf("%s: %w", doing, err)
}
