-- name: attach_partition
-- Gives a large run its own storage; readers and writers of other runs go on.
ALTER TABLE position_result ATTACH PARTITION {partition} FOR VALUES IN ({storage_no})

-- name: cancel_queued_run
-- Ends a run that nobody has claimed.
UPDATE run
   SET state = 'CANCELLED', cancelled_count = position_count, finished_at = now(),
       cancel_requested_at = coalesce(cancel_requested_at, now()), event_seq = event_seq + 1
 WHERE run_no = %(run_no)s
RETURNING event_seq

-- name: count_runs
-- Length of the list, for a page beyond its end.
SELECT count(*) AS total
  FROM run
  JOIN market_snapshot market USING (market_no)
  JOIN portfolio_snapshot portfolio USING (portfolio_no)
 WHERE (%(state)s::run_state IS NULL OR run.state = %(state)s)
   AND (%(name)s::text IS NULL OR run.name = %(name)s)
   AND (%(market)s::text IS NULL OR market.market_id = %(market)s
               OR run.market_no IN (SELECT snapshot_no FROM snapshot_name WHERE kind = 'market' AND name = %(market)s))
   AND (%(portfolio)s::text IS NULL OR portfolio.portfolio_id = %(portfolio)s
               OR run.portfolio_no IN (SELECT snapshot_no FROM snapshot_name WHERE kind = 'portfolio' AND name = %(portfolio)s))

-- name: create_partition
-- Columns of position_result without its keys, which are built after the load. What the planner must know of them shows in few rows.
CREATE TABLE {partition} (LIKE position_result);
ALTER TABLE {partition} ALTER storage_no SET STATISTICS 10, ALTER run_no SET STATISTICS 10, ALTER position_no SET STATISTICS 10

-- name: delete_run
-- Deletes a run with its shards, events, failures and rollups.
DELETE FROM run WHERE run_no = %(run_no)s

-- name: delete_shared_results
-- Results of a small run.
DELETE FROM position_result WHERE storage_no = 0 AND run_no = %(run_no)s

-- name: detach_partition
-- Takes a partition away without stopping anybody; not in a transaction.
ALTER TABLE position_result DETACH PARTITION {partition} CONCURRENTLY

-- name: drop_table
-- Frees a detached partition.
DROP TABLE IF EXISTS {partition}

-- name: events_after
-- Events of a run that a reader has not seen.
SELECT event.seq, event.at, event.kind, event.data
  FROM run_event event
  JOIN run USING (run_no)
 WHERE run.run_id = %(run_id)s AND event.seq > %(after_seq)s
 ORDER BY event.seq
 LIMIT %(limit)s

-- name: find_run_by_key
-- The run that an Idempotency-Key made.
SELECT run_id, request_fingerprint FROM run WHERE idempotency_key = %(idempotency_key)s

-- name: find_run_that_carries
-- Any run with results of another.
SELECT run_id FROM run WHERE carried_from_run_no = %(run_no)s ORDER BY run_no LIMIT 1

-- name: finish_detach
-- Completes a detachment that was interrupted.
ALTER TABLE position_result DETACH PARTITION {partition} FINALIZE

-- name: get_run
-- A run as people see it.
SELECT run.run_id, run.name, run.state::text AS state, run.executor, portfolio.portfolio_id, market.market_id, market.as_of,
       run.base_currency, run.measures, scenario_set.scenario_set_id, run.vectors, run.failure_policy, run.preflight,
       run.created_at, run.started_at, run.finished_at, run.cancel_requested_at, run.lease_until,
       CASE WHEN run.state = 'RUNNING' AND run.lease_until > clock_timestamp() THEN run.claimed_at END AS driven_since,
       run.error_code, run.error_detail, run.manifest, run.position_count, run.ok_count, run.failed_count, run.cancelled_count,
       shards.shard_count, shards.shards_done, shards.carried_count, earlier.run_id AS carried_from
  FROM run
  JOIN market_snapshot market USING (market_no)
  JOIN portfolio_snapshot portfolio USING (portfolio_no)
  LEFT JOIN scenario_set USING (scenario_set_no)
  LEFT JOIN run earlier ON earlier.run_no = run.carried_from_run_no
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE shard.state <> 'SPLIT') AS shard_count, count(*) FILTER (WHERE shard.state = 'DONE') AS shards_done,
              coalesce(sum(shard.carried_count) FILTER (WHERE shard.state = 'DONE'), 0)::integer AS carried_count
         FROM run_shard shard
        WHERE shard.run_no = run.run_no
       ) shards
 WHERE run.run_id = %(run_id)s

-- name: get_run_keys
-- The numbers behind a run id.
SELECT run.run_no, run.storage_no, run.portfolio_no, run.market_no, market.market_id, run.base_currency, run.rows_per_shard
  FROM run
  JOIN market_snapshot market USING (market_no)
 WHERE run.run_id = %(run_id)s

-- name: insert_event
-- Adds an event under a number taken from run.event_seq in the same transaction, and wakes up listeners.
WITH event AS (
     INSERT INTO run_event (run_no, seq, kind, data) VALUES (%(run_no)s, %(seq)s, %(kind)s, %(data)s) RETURNING run_no
)
SELECT pg_notify('run_event', run_no::text) FROM event

-- name: insert_run
-- A new run, unless its id or idempotency key is taken; a large one is stored under its own number.
WITH number AS (SELECT nextval(pg_get_serial_sequence('run', 'run_no'))::integer AS run_no)
INSERT INTO run (run_no, run_id, name, executor, market_no, portfolio_no, base_currency, measures, rows_per_shard, storage_no,
                 position_count, preflight, scenario_set_no, vectors, failure_policy, traceparent, idempotency_key, request_fingerprint,
                 carried_from_run_no, event_seq)
OVERRIDING SYSTEM VALUE
SELECT run_no, %(run_id)s, %(name)s, %(executor)s, %(market_no)s, %(portfolio_no)s, %(base_currency)s, %(measures)s, %(rows_per_shard)s,
       CASE WHEN %(own_storage)s THEN run_no ELSE 0 END, %(position_count)s, %(preflight)s, %(scenario_set_no)s,
       %(vectors)s, %(failure_policy)s, %(traceparent)s, %(idempotency_key)s, %(request_fingerprint)s,
       %(carried_from_run_no)s, 1
  FROM number
    ON CONFLICT DO NOTHING
RETURNING run_no, storage_no

-- name: insert_shards
-- The work ledger of a new run.
INSERT INTO run_shard (run_no, shard_no, product, first_position_no, row_count)
SELECT %(run_no)s, %(first_shard_no)s + ordinal - 1, product, first_position_no, row_count
  FROM unnest(%(products)s::text[], %(first_position_nos)s::integer[], %(row_counts)s::integer[])
       WITH ORDINALITY AS shard (product, first_position_no, row_count, ordinal)

-- name: limit_sweep
-- Detaching waits for readers, and nobody waits long for that.
SELECT set_config('statement_timeout', %(timeout)s, false)

-- name: list_orphan_partitions
-- Partitions of results whose run is gone, and detached ones that were not dropped.
SELECT relation.relname AS name, inheritance.inhrelid IS NOT NULL AS attached, coalesce(inheritance.inhdetachpending, false) AS detaching
  FROM pg_class relation
  LEFT JOIN pg_inherits inheritance ON inheritance.inhrelid = relation.oid
 WHERE relation.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'position_result'::regclass)
   AND relation.relkind = 'r'
   AND relation.relname ~ '^position_result_[1-9][0-9]*$'
   AND NOT EXISTS (SELECT FROM run WHERE run.storage_no = substring(relation.relname FROM '[0-9]+$')::integer)

-- name: list_runs
-- A page of runs, newest first, with the length of the whole list.
SELECT run.run_id, run.name, run.state::text AS state, run.executor, portfolio.portfolio_id, market.market_id, market.as_of,
       run.base_currency, run.measures, scenario_set.scenario_set_id, run.vectors, run.failure_policy, run.preflight,
       run.created_at, run.started_at, run.finished_at, run.cancel_requested_at, run.lease_until,
       CASE WHEN run.state = 'RUNNING' AND run.lease_until > clock_timestamp() THEN run.claimed_at END AS driven_since,
       run.error_code, run.error_detail, run.manifest, run.position_count, run.ok_count, run.failed_count, run.cancelled_count,
       shards.shard_count, shards.shards_done, shards.carried_count, earlier.run_id AS carried_from
  FROM (
       SELECT run.*
         FROM run
         JOIN market_snapshot market USING (market_no)
         JOIN portfolio_snapshot portfolio USING (portfolio_no)
        WHERE (%(state)s::run_state IS NULL OR run.state = %(state)s)
          AND (%(name)s::text IS NULL OR run.name = %(name)s)
          AND (%(market)s::text IS NULL OR market.market_id = %(market)s
               OR run.market_no IN (SELECT snapshot_no FROM snapshot_name WHERE kind = 'market' AND name = %(market)s))
          AND (%(portfolio)s::text IS NULL OR portfolio.portfolio_id = %(portfolio)s
               OR run.portfolio_no IN (SELECT snapshot_no FROM snapshot_name WHERE kind = 'portfolio' AND name = %(portfolio)s))
        ORDER BY run.run_no DESC
       OFFSET %(offset)s LIMIT %(limit)s
       ) run
  JOIN market_snapshot market USING (market_no)
  JOIN portfolio_snapshot portfolio USING (portfolio_no)
  LEFT JOIN scenario_set USING (scenario_set_no)
  LEFT JOIN run earlier ON earlier.run_no = run.carried_from_run_no
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE shard.state <> 'SPLIT') AS shard_count, count(*) FILTER (WHERE shard.state = 'DONE') AS shards_done,
              coalesce(sum(shard.carried_count) FILTER (WHERE shard.state = 'DONE'), 0)::integer AS carried_count
         FROM run_shard shard
        WHERE shard.run_no = run.run_no
       ) shards
 ORDER BY run.run_no DESC

-- name: listen_run_event
-- Hints that a run has a new event; the events themselves are read from the table.
LISTEN run_event

-- name: lock_partition_sweep
-- One process at a time frees the storage of deleted runs.
SELECT pg_try_advisory_lock(7274722) AS locked

-- name: lock_run
-- A run's state, held until the end of the transaction.
SELECT run_no, storage_no, state::text AS state, cancel_requested_at IS NOT NULL AS cancel_requested
  FROM run
 WHERE run_id = %(run_id)s
   FOR NO KEY UPDATE

-- name: lock_run_to_delete
-- A run's state; no run that is being submitted can carry from it any more.
SELECT run_no, storage_no, state::text AS state FROM run WHERE run_id = %(run_id)s FOR UPDATE

-- name: queued_runs
-- Runs that nobody drives, by who may claim them, and the seconds since the oldest was submitted.
SELECT executor, count(*)::integer AS run_count, extract(epoch FROM clock_timestamp() - min(created_at))::float8 AS oldest_s
  FROM run
 WHERE state IN ('QUEUED', 'RUNNING') AND (state = 'QUEUED' OR lease_until < clock_timestamp())
 GROUP BY executor

-- name: set_cancel_requested
-- Seen by the coordinator at its next heartbeat.
UPDATE run SET cancel_requested_at = now(), event_seq = event_seq + 1 WHERE run_no = %(run_no)s RETURNING event_seq
