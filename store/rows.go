package store

// This file converts rows of `users` into values and back. Reading is tolerant,
// because the original gateway's table may have nulls where ours does not.

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// userColumns is in the order of scanUser and of userValues.
const userColumns = `id, company_id, email, hashed_password, full_name, role, created_at, updated_at, last_login, is_active, tokens_valid_after`

// scanUser reads a row of userColumns, followed by more columns. A null
// is_active is false: an unknown state is refused.
func scanUser(r row, more ...any) (User, error) {
	var (
		user                        User
		email, hashedPassword, role *string
		createdAt, updatedAt, login timestamp
		validAfter                  timestamp
		active                      *bool
	)
	err := r.Scan(append([]any{
		&user.ID, &user.CompanyID, &email, &hashedPassword, &user.FullName, &role,
		&createdAt, &updatedAt, &login, &active, &validAfter,
	}, more...)...)
	if err != nil {
		return User{}, fmt.Errorf("read user: %w", err)
	}
	user.Email = orZero(email)
	user.HashedPassword = orZero(hashedPassword)
	user.Role = orZero(role)
	if user.Role == "" {
		user.Role = DefaultRole
	}
	user.CreatedAt = orZero(createdAt.time)
	user.UpdatedAt = orZero(updatedAt.time)
	user.LastLogin = login.time
	user.Active = orZero(active)
	user.TokensValidAfter = validAfter.time
	return user, nil
}

// userValues returns the row that AddUser writes for user, with defaults for
// missing values.
func userValues(user User, now time.Time) []any {
	if user.ID == uuid.Nil {
		user.ID = uuid.New()
	}
	if user.Role == "" {
		user.Role = DefaultRole
	}
	if user.CreatedAt.IsZero() {
		user.CreatedAt = now
	}
	if user.UpdatedAt.IsZero() {
		user.UpdatedAt = now
	}
	return []any{
		user.ID, user.CompanyID, EmailForm(user.Email), user.HashedPassword, user.FullName, user.Role,
		storedTime(user.CreatedAt), storedTime(user.UpdatedAt), storedTimeOrNull(user.LastLogin), user.Active,
		storedTimeOrNull(user.TokensValidAfter),
	}
}

// assignments returns the SET list of an UPDATE that makes the change, and its
// arguments, the first of which is $1.
func (c Change) assignments(now time.Time, d dialect) (string, []any) {
	var (
		list   []string
		values []any
	)
	setTo := func(column, expression string, value any) {
		values = append(values, value)
		list = append(list, column+" = "+fmt.Sprintf(expression, "$"+strconv.Itoa(len(values))))
	}
	set := func(column string, value any) { setTo(column, "%s", value) }
	set("updated_at", storedTime(now))
	if c.HashedPassword != nil {
		set("hashed_password", *c.HashedPassword)
	}
	if c.CompanyID != nil {
		set("company_id", *c.CompanyID)
	}
	if c.Role != nil {
		set("role", *c.Role)
	}
	if c.Active != nil {
		set("is_active", *c.Active)
	}
	if c.HashedPassword != nil || c.RevokeTokens {
		setTo("tokens_valid_after", d.revokedBy, storedTime(now))
	}
	return strings.Join(list, ", "), values
}

// storedTime returns a time as the database will return it after storing it.
func storedTime(at time.Time) time.Time {
	return at.UTC().Truncate(time.Microsecond)
}

func storedTimeOrNull(at *time.Time) *time.Time {
	if at == nil {
		return nil
	}
	stored := storedTime(*at)
	return &stored
}

func orZero[T any](value *T) T {
	if value == nil {
		var zero T
		return zero
	}
	return *value
}

// timestamp scans a time column of either database; time is nil for null.
type timestamp struct{ time *time.Time }

// Scan implements sql.Scanner. SQLite returns text where it does not know the
// column's type, such as in RETURNING.
func (t *timestamp) Scan(value any) error {
	t.time = nil
	switch value := value.(type) {
	case nil:
		return nil
	case time.Time:
		at := value.UTC()
		t.time = &at
		return nil
	case string:
		return t.parse(value)
	default:
		return fmt.Errorf("read time: have %T", value)
	}
}

// parse parses the formats of the SQLite driver, of Python and of RFC 3339. A
// time without a zone is UTC.
func (t *timestamp) parse(text string) error {
	for _, layout := range []string{"2006-01-02 15:04:05Z07:00", time.RFC3339, time.DateTime, "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, text); err == nil {
			at = at.UTC()
			t.time = &at
			return nil
		}
	}
	return fmt.Errorf("read time: %q is not a time", text)
}
