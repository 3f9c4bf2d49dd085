-- name: create_database
-- The embedded server's database.
CREATE DATABASE {name}

-- name: create_schema_migration
-- The record of what was applied.
CREATE TABLE IF NOT EXISTS schema_migration (
    name        text PRIMARY KEY,
    checksum    text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
)

-- name: database_exists
-- Whether the server has a database of this name.
SELECT FROM pg_database WHERE datname = %(name)s

-- name: insert_schema_migration
-- Says that a file is applied, in the transaction that applies it.
INSERT INTO schema_migration (name, checksum) VALUES (%(name)s, %(checksum)s)

-- name: lift_timeouts
-- For statements that may rightly take long, on a connection of their own.
SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false),
       set_config('client_min_messages', 'warning', false)

-- name: list_schema_migrations
-- What was applied, in order.
SELECT name, checksum FROM schema_migration ORDER BY name

-- name: lock_migrations
-- One migrator at a time in this database; the number is arbitrary and riskray's own.
SELECT pg_advisory_lock(7274721)

-- name: schema_migration_exists
-- Whether this database was ever migrated.
SELECT to_regclass('schema_migration') IS NOT NULL AS found

-- name: server_state
-- For the health endpoint.
SELECT current_setting('server_version') AS server_version, pg_is_in_recovery() AS read_only

-- name: connection_limit
-- How many connections a role that is no superuser can have at once, if nobody else has any.
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS connection_limit
