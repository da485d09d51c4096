-- Limits the guessing of passwords, for all gateways on this database. Keys are
-- hashes, so the table contains no readable e-mail or address. Times are microseconds
-- since 1970.

-- +goose Up

CREATE TABLE login_attempts (
    key text PRIMARY KEY,
    clear_at bigint NOT NULL,
    next_at bigint NOT NULL
);

CREATE INDEX login_attempts_clear_at ON login_attempts (clear_at);

CREATE TABLE login_addresses (
    account text NOT NULL,
    address text NOT NULL,
    seen_at bigint NOT NULL,
    PRIMARY KEY (account, address)
);

CREATE INDEX login_addresses_seen_at ON login_addresses (seen_at);
