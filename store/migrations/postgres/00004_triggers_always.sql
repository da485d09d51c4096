-- The triggers fire for changes that a replica writes, too: by logical
-- replication, a restore, or `SET session_replication_role = replica` (issue 10).
-- Whoever switches triggers off and on again (`ENABLE TRIGGER ALL`, as pg_dump
-- does with --disable-triggers) undoes this; the gateway looks, and says so.

-- +goose Up

SET LOCAL lock_timeout = '20s';

ALTER TABLE users
    ENABLE ALWAYS TRIGGER gatehouse_users_revoke,
    ENABLE ALWAYS TRIGGER gatehouse_users_tell,
    ENABLE ALWAYS TRIGGER gatehouse_users_tell_truncate,
    ENABLE ALWAYS TRIGGER gatehouse_users_tell_update;
