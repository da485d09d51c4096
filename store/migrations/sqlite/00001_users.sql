-- The table of users, the same as in PostgreSQL. Times are text in UTC.

-- +goose Up

-- When two processes migrate one file at the same time, the second finds its
-- version recorded already, and its work is rolled back.
CREATE UNIQUE INDEX IF NOT EXISTS gatehouse_migrations_version_key ON gatehouse_migrations (version_id);

CREATE TABLE IF NOT EXISTS users (
    id text PRIMARY KEY NOT NULL,
    company_id text,
    email text NOT NULL,
    hashed_password text NOT NULL,
    full_name text,
    role text NOT NULL DEFAULT 'user',
    created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_login timestamp,
    is_active boolean NOT NULL DEFAULT true
);

-- An existing table must have the columns that we read. SQLite cannot add a
-- column only if it is missing. The original gateways never used SQLite.
SELECT id, company_id, email, hashed_password, full_name, role, created_at, updated_at, last_login, is_active
FROM users LIMIT 0;

CREATE UNIQUE INDEX IF NOT EXISTS users_email_lower_key ON users (lower(email));
