-- The table of users: created, or taken over from the original gateway, which
-- may go on using it. Rows and columns it has stay as they are; reading copes
-- with the nulls it may hold.

-- +goose Up

-- Whoever waits for this lock makes everybody else wait behind. Rather fail.
SET LOCAL lock_timeout = '20s';

-- Found along the search_path, and only created where it is in none of its
-- schemas: CREATE TABLE IF NOT EXISTS looks in the first alone, and would hide
-- a table in the second.
-- +goose StatementBegin
DO $$
BEGIN
    IF to_regclass('users') IS NULL THEN
        CREATE TABLE users (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            company_id uuid,
            email text NOT NULL,
            hashed_password text NOT NULL,
            full_name text,
            role text NOT NULL DEFAULT 'user',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            last_login timestamptz,
            is_active boolean NOT NULL DEFAULT true
        );
    END IF;
END
$$;
-- +goose StatementEnd

-- A table of another application is refused here rather than at the first login.
-- +goose StatementBegin
DO $$
BEGIN
    PERFORM id, email, hashed_password FROM users LIMIT 0;
    IF NOT EXISTS (SELECT FROM pg_attribute
                   WHERE attrelid = to_regclass('users') AND attname = 'id' AND atttypid = 'uuid'::regtype) THEN
        RAISE EXCEPTION 'the table users is not the gateway''s: its column id is not a uuid';
    END IF;
END
$$;
-- +goose StatementEnd

-- Where a column was missing nobody was ever disabled, so all are active.
ALTER TABLE users
    ADD COLUMN IF NOT EXISTS company_id uuid,
    ADD COLUMN IF NOT EXISTS full_name text,
    ADD COLUMN IF NOT EXISTS role text,
    ADD COLUMN IF NOT EXISTS created_at timestamptz,
    ADD COLUMN IF NOT EXISTS updated_at timestamptz,
    ADD COLUMN IF NOT EXISTS last_login timestamptz,
    ADD COLUMN IF NOT EXISTS is_active boolean DEFAULT true;

CREATE UNIQUE INDEX IF NOT EXISTS users_email_lower_key ON users (lower(email));
