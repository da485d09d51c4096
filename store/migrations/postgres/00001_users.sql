-- The table of users: created, or adopted from the original gateway, which may
-- still use it. Its rows and columns do not change. Reading accepts the nulls
-- that it may contain.

-- +goose Up

-- A statement that waits for this lock makes all others wait. It is better to fail.
SET LOCAL lock_timeout = '20s';

-- Created only when no schema of the search_path has it: CREATE TABLE IF NOT
-- EXISTS checks only the first schema, and would hide a table in the second.
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

-- Refuse a table of another application here, not at the first login.
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

-- Without this column nobody could be disabled, so all users are active.
ALTER TABLE users
    ADD COLUMN IF NOT EXISTS company_id uuid,
    ADD COLUMN IF NOT EXISTS full_name text,
    ADD COLUMN IF NOT EXISTS role text,
    ADD COLUMN IF NOT EXISTS created_at timestamptz,
    ADD COLUMN IF NOT EXISTS updated_at timestamptz,
    ADD COLUMN IF NOT EXISTS last_login timestamptz,
    ADD COLUMN IF NOT EXISTS is_active boolean DEFAULT true;

CREATE UNIQUE INDEX IF NOT EXISTS users_email_lower_key ON users (lower(email));
