-- name: create_database
-- Creates the embedded server's database.
CREATE DATABASE {name}

-- name: create_schema_migration
-- The table of applied migrations.
CREATE TABLE IF NOT EXISTS schema_migration (
    name        text PRIMARY KEY,
    checksum    text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
)

-- name: database_exists
-- Whether the server has a database of this name.
SELECT FROM pg_database WHERE datname = %(name)s

-- name: insert_schema_migration
-- Records a migration as applied, in the transaction that applies it.
INSERT INTO schema_migration (name, checksum) VALUES (%(name)s, %(checksum)s)

-- name: lift_timeouts
-- Lifts the time limit for statements that may take long, on their own connection.
SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false),
       set_config('client_min_messages', 'warning', false)

-- name: list_schema_migrations
-- The applied migrations, in order.
SELECT name, checksum FROM schema_migration ORDER BY name

-- name: lock_migrations
-- Allows one migrator at a time in this database; the lock number is arbitrary and specific to riskray.
SELECT pg_advisory_lock(7274721)

-- name: schema_migration_exists
-- Whether this database has a table of applied migrations.
SELECT to_regclass('schema_migration') IS NOT NULL AS found

-- name: server_state
-- Checks the connection, for the health endpoint.
SELECT current_setting('server_version') AS server_version, pg_is_in_recovery() AS read_only

-- name: connection_limit
-- The number of connections available to a role that is not a superuser while no other role is connected.
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS connection_limit
