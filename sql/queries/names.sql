-- name: count_uploads
-- The number of uploads of a kind, or under one name.
SELECT count(*) AS total FROM snapshot_name WHERE kind = %(kind)s AND (%(name)s::text IS NULL OR name = %(name)s)

-- name: delete_snapshot
-- Deletes a snapshot and, by a trigger, the versions of names that point to it; fails if a run uses the snapshot.
DELETE FROM {table} WHERE {number} = %(snapshot_no)s

-- name: find_other_name
-- Another name that points to a snapshot, if there is one.
SELECT name FROM snapshot_name WHERE kind = %(kind)s AND snapshot_no = %(snapshot_no)s AND name <> %(name)s LIMIT 1

-- name: find_market_of_snapshot
-- A market that uses a snapshot, if there is one.
SELECT market_id AS user_id
  FROM market_snapshot
 WHERE {id} = (SELECT {id} FROM {table} WHERE {number} = %(snapshot_no)s)
 ORDER BY market_no
 LIMIT 1

-- name: find_run_of_snapshot
-- A run that uses a snapshot, if there is one.
SELECT run_id AS user_id FROM run WHERE {number} = %(snapshot_no)s ORDER BY run_no LIMIT 1

-- name: forget_name
-- Removes a name from a snapshot.
DELETE FROM snapshot_name WHERE kind = %(kind)s AND snapshot_no = %(snapshot_no)s AND name = %(name)s

-- name: get_snapshot
-- A snapshot by id under its last name, else the last upload under a name.
SELECT snapshot.{number} AS snapshot_no, {columns}, upload.name, upload.version, upload.created_at
  FROM snapshot_name upload
  JOIN {table} snapshot ON snapshot.{number} = upload.snapshot_no
 WHERE upload.upload_no = coalesce(
           (SELECT named.upload_no
              FROM {table} identified
              JOIN snapshot_name named ON named.kind = %(kind)s AND named.snapshot_no = identified.{number}
             WHERE identified.{id} = %(id)s
             ORDER BY named.upload_no DESC
             LIMIT 1),
           (SELECT upload_no FROM snapshot_name WHERE kind = %(kind)s AND name = %(name)s ORDER BY version DESC LIMIT 1))

-- name: get_snapshot_content
-- A part of a snapshot's content.
SELECT {content} AS content FROM {table} WHERE {key} = %(key)s

-- name: hold_snapshot
-- A snapshot by id, locked against deletion until the end of the transaction.
SELECT {number} AS snapshot_no, content_hash FROM {table} WHERE {id} = %(id)s FOR KEY SHARE

-- name: insert_snapshot
-- A snapshot, unless its content is known; the caller holds the lock of the name. Name and version serve the version before.
INSERT INTO {table} ({id}, name, version, content_hash, {columns})
SELECT %(snapshot_id)s, %(name)s, coalesce(max(version), 0) + 1, %(content_hash)s, {values}
  FROM {table}
 WHERE name = %(name)s
    ON CONFLICT DO NOTHING
RETURNING {number} AS snapshot_no

-- name: last_version
-- The number of the last upload under a name.
SELECT version FROM snapshot_name WHERE kind = %(kind)s AND name = %(name)s ORDER BY version DESC LIMIT 1

-- name: list_uploads
-- A page of uploads, newest first, with the length of the whole list.
SELECT {columns}, upload.name, upload.version, upload.created_at, count(*) OVER () AS total
  FROM snapshot_name upload
  JOIN {table} snapshot ON snapshot.{number} = upload.snapshot_no
 WHERE upload.kind = %(kind)s AND (%(name)s::text IS NULL OR upload.name = %(name)s)
 ORDER BY upload.upload_no DESC
OFFSET %(offset)s LIMIT %(limit)s

-- name: lock_snapshot
-- Locks a snapshot before its deletion against new runs and new names.
SELECT FROM {table} WHERE {number} = %(snapshot_no)s FOR UPDATE

-- name: lock_snapshot_name
-- Locks a name, so that concurrent uploads under it get successive version numbers.
SELECT pg_advisory_xact_lock(hashtextextended(%(kind)s || ':' || %(name)s, 0))

-- name: record_upload
-- Makes a snapshot the last upload under a name, unless it already is; the caller holds the lock of the name.
WITH last AS (
     SELECT upload_no, version, snapshot_no FROM snapshot_name WHERE kind = %(kind)s AND name = %(name)s ORDER BY version DESC LIMIT 1
), known AS (
     UPDATE snapshot_name
        SET reader_version = greatest(reader_version, %(reader_version)s)
      WHERE upload_no = (SELECT upload_no FROM last WHERE snapshot_no = %(snapshot_no)s)
        AND reader_version IS DISTINCT FROM greatest(reader_version, %(reader_version)s)
)
INSERT INTO snapshot_name (kind, name, version, snapshot_no, reader_version)
SELECT %(kind)s, %(name)s, coalesce((SELECT version FROM last), 0) + 1, %(snapshot_no)s, %(reader_version)s
 WHERE NOT EXISTS (SELECT FROM last WHERE snapshot_no = %(snapshot_no)s)
