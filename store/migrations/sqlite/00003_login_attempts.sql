-- What bounds the guessing of passwords, for all gateways on this database. Keys
-- are hashes: no e-mail and no address can be read here. Times are microseconds
-- since 1970.

-- +goose Up

-- Of two processes that migrate at the same time the second fails at the end (see
-- the first migration), and not before.

CREATE TABLE IF NOT EXISTS login_attempts (
    key text PRIMARY KEY NOT NULL,
    clear_at bigint NOT NULL,
    next_at bigint NOT NULL
);

CREATE INDEX IF NOT EXISTS login_attempts_clear_at ON login_attempts (clear_at);

CREATE TABLE IF NOT EXISTS login_addresses (
    account text NOT NULL,
    address text NOT NULL,
    seen_at bigint NOT NULL,
    PRIMARY KEY (account, address)
);

CREATE INDEX IF NOT EXISTS login_addresses_seen_at ON login_addresses (seen_at);
