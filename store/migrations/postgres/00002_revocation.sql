-- The time from which a user's tokens are good, and a notification of every
-- change to a user that matters to a request, whoever makes it: a gateway, the
-- original one, or a person with psql.

-- +goose Up

SET LOCAL lock_timeout = '20s';

ALTER TABLE users ADD COLUMN IF NOT EXISTS tokens_valid_after timestamptz;

-- The functions are in the schema of the table. They call PostgreSQL's own
-- functions, whatever the search_path of the client that changes a row.
-- +goose StatementBegin
DO $migration$
DECLARE
    home text := (SELECT quote_ident(nspname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                  WHERE pg_class.oid = to_regclass('users'));
BEGIN
    -- A new password makes the tokens void that were made before. A client that
    -- says itself from when on they are good is believed. Within one second each
    -- time lies a second after the one before, because a token counts in seconds.
    EXECUTE 'CREATE OR REPLACE FUNCTION ' || home || '.gatehouse_users_revoke() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog AS $function$
        BEGIN
            NEW.tokens_valid_after := greatest(clock_timestamp(), OLD.tokens_valid_after + interval ''1 second'');
            RETURN NEW;
        END
        $function$';

    -- The channel is one for the whole database, and ids are of one table only:
    -- a gateway on another schema hears of users it does not have.
    EXECUTE 'CREATE OR REPLACE FUNCTION ' || home || '.gatehouse_users_tell() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog AS $function$
        BEGIN
            IF TG_OP = ''TRUNCATE'' THEN
                PERFORM pg_notify(''gatehouse_users'', ''all'');
                RETURN NULL;
            END IF;
            IF TG_OP <> ''INSERT'' THEN
                PERFORM pg_notify(''gatehouse_users'', OLD.id::text);
            END IF;
            IF TG_OP <> ''DELETE'' THEN
                PERFORM pg_notify(''gatehouse_users'', NEW.id::text);
            END IF;
            RETURN NULL;
        END
        $function$';

    -- A gateway with another search_path may have been here before.
    DROP TRIGGER IF EXISTS gatehouse_users_revoke ON users;
    EXECUTE 'CREATE TRIGGER gatehouse_users_revoke BEFORE UPDATE ON users FOR EACH ROW
        WHEN (OLD.hashed_password IS DISTINCT FROM NEW.hashed_password
              AND OLD.tokens_valid_after IS NOT DISTINCT FROM NEW.tokens_valid_after)
        EXECUTE FUNCTION ' || home || '.gatehouse_users_revoke()';
    DROP TRIGGER IF EXISTS gatehouse_users_tell ON users;
    EXECUTE 'CREATE TRIGGER gatehouse_users_tell AFTER INSERT OR DELETE ON users FOR EACH ROW
        EXECUTE FUNCTION ' || home || '.gatehouse_users_tell()';
    DROP TRIGGER IF EXISTS gatehouse_users_tell_truncate ON users;
    EXECUTE 'CREATE TRIGGER gatehouse_users_tell_truncate AFTER TRUNCATE ON users FOR EACH STATEMENT
        EXECUTE FUNCTION ' || home || '.gatehouse_users_tell()';
    -- Not for last_login, which every login writes.
    DROP TRIGGER IF EXISTS gatehouse_users_tell_update ON users;
    EXECUTE 'CREATE TRIGGER gatehouse_users_tell_update AFTER UPDATE ON users FOR EACH ROW
        WHEN (OLD.id IS DISTINCT FROM NEW.id
              OR OLD.hashed_password IS DISTINCT FROM NEW.hashed_password
              OR OLD.company_id IS DISTINCT FROM NEW.company_id
              OR OLD.role IS DISTINCT FROM NEW.role
              OR OLD.is_active IS DISTINCT FROM NEW.is_active
              OR OLD.tokens_valid_after IS DISTINCT FROM NEW.tokens_valid_after)
        EXECUTE FUNCTION ' || home || '.gatehouse_users_tell()';
END
$migration$;
-- +goose StatementEnd
