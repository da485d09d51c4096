-- The triggers also fire for changes that a replica writes: by logical
-- replication, a restore, or `SET session_replication_role = replica` (issue 10).
-- Disabling and enabling triggers (`ENABLE TRIGGER ALL`, as pg_dump does with
-- --disable-triggers) undoes this. The gateway checks it and reports it.

-- +goose Up

SET LOCAL lock_timeout = '20s';

ALTER TABLE users
    ENABLE ALWAYS TRIGGER gatehouse_users_revoke,
    ENABLE ALWAYS TRIGGER gatehouse_users_tell,
    ENABLE ALWAYS TRIGGER gatehouse_users_tell_truncate,
    ENABLE ALWAYS TRIGGER gatehouse_users_tell_update;
