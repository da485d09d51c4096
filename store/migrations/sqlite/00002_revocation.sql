-- The time from which a user's tokens are good, and a count of the changes to
-- users that matter to requests, as in PostgreSQL.

-- +goose Up

-- SQLite cannot add a column only if it is missing. When two processes migrate
-- at the same time, the second fails here, as it would at the end (see the first
-- migration).
INSERT INTO gatehouse_migrations (version_id, is_applied) VALUES (2, 1);
DELETE FROM gatehouse_migrations WHERE version_id = 2;

ALTER TABLE users ADD COLUMN tokens_valid_after timestamp;

-- A reader of the file notices that something was written. This table shows
-- whether that matters to requests. last_login, which every login writes, does
-- not.
CREATE TABLE gatehouse_user_changes (counted integer NOT NULL);
INSERT INTO gatehouse_user_changes (counted) VALUES (0);

-- +goose StatementBegin
CREATE TRIGGER gatehouse_users_revoke AFTER UPDATE OF hashed_password ON users
WHEN OLD.hashed_password IS NOT NEW.hashed_password AND OLD.tokens_valid_after IS NEW.tokens_valid_after
BEGIN
    UPDATE users SET tokens_valid_after = max(
        strftime('%Y-%m-%d %H:%M:%f+00:00', 'now'),
        coalesce(strftime('%Y-%m-%d %H:%M:%f+00:00', tokens_valid_after, '+1 second'), ''))
    WHERE id = NEW.id;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER gatehouse_users_tell_insert AFTER INSERT ON users
BEGIN
    UPDATE gatehouse_user_changes SET counted = counted + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER gatehouse_users_tell_delete AFTER DELETE ON users
BEGIN
    UPDATE gatehouse_user_changes SET counted = counted + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER gatehouse_users_tell_update AFTER UPDATE ON users
WHEN OLD.id IS NOT NEW.id
    OR OLD.hashed_password IS NOT NEW.hashed_password
    OR OLD.company_id IS NOT NEW.company_id
    OR OLD.role IS NOT NEW.role
    OR OLD.is_active IS NOT NEW.is_active
    OR OLD.tokens_valid_after IS NOT NEW.tokens_valid_after
BEGIN
    UPDATE gatehouse_user_changes SET counted = counted + 1;
END;
-- +goose StatementEnd
