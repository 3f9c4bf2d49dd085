-- name: attach_partition
-- Attaches a large run's own partition without blocking readers and writers of other runs.
ALTER TABLE position_result ATTACH PARTITION {partition} FOR VALUES IN ({storage_no})

-- name: cancel_queued_run
-- Cancels a run that no coordinator or job has claimed.
UPDATE run
   SET state = 'CANCELLED', cancelled_count = position_count, finished_at = now(),
       cancel_requested_at = coalesce(cancel_requested_at, now()), event_seq = event_seq + 1
 WHERE run_no = %(run_no)s
RETURNING event_seq

-- name: count_runs
-- The length of the list, for a page beyond its end.
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
-- A table with the columns of position_result but without its keys, which are built after the load. A small sample suffices for the planner.
CREATE TABLE {partition} (LIKE position_result);
ALTER TABLE {partition} ALTER storage_no SET STATISTICS 10, ALTER run_no SET STATISTICS 10, ALTER position_no SET STATISTICS 10

-- name: delete_run
-- Deletes a run with its shards, events, failures and rollups.
DELETE FROM run WHERE run_no = %(run_no)s

-- name: delete_shared_results
-- Deletes the results of a small run.
DELETE FROM position_result WHERE storage_no = 0 AND run_no = %(run_no)s

-- name: detach_partition
-- Detaches a partition without blocking other sessions; must run outside a transaction.
ALTER TABLE position_result DETACH PARTITION {partition} CONCURRENTLY

-- name: drop_table
-- Drops a detached partition.
DROP TABLE IF EXISTS {partition}

-- name: events_after
-- The events of a run that a reader has not yet read.
SELECT event.seq, event.at, event.kind, event.data
  FROM run_event event
  JOIN run USING (run_no)
 WHERE run.run_id = %(run_id)s AND event.seq > %(after_seq)s
 ORDER BY event.seq
 LIMIT %(limit)s

-- name: find_run_by_key
-- The run created with an Idempotency-Key.
SELECT run_id, request_fingerprint FROM run WHERE idempotency_key = %(idempotency_key)s

-- name: find_run_that_reuses
-- Any run with results of another.
SELECT run_id FROM run WHERE carried_from_run_no = %(run_no)s ORDER BY run_no LIMIT 1

-- name: finish_detach
-- Completes a detachment that was interrupted.
ALTER TABLE position_result DETACH PARTITION {partition} FINALIZE

-- name: get_run
-- A run as the API returns it.
SELECT run.run_id, run.name, run.state::text AS state, run.executor, portfolio.portfolio_id, market.market_id, market.as_of,
       run.base_currency, run.measures, scenario_set.scenario_set_id, run.vectors, run.failure_policy, run.preflight,
       run.created_at, run.started_at, run.finished_at, run.cancel_requested_at, run.lease_until,
       CASE WHEN run.state = 'RUNNING' AND run.lease_until > clock_timestamp() THEN run.claimed_at END AS driven_since,
       run.error_code, run.error_detail, run.manifest, run.position_count, run.ok_count, run.failed_count, run.cancelled_count,
       shards.shard_count, shards.shards_done, shards.reused_count, earlier.run_id AS reused_from
  FROM run
  JOIN market_snapshot market USING (market_no)
  JOIN portfolio_snapshot portfolio USING (portfolio_no)
  LEFT JOIN scenario_set USING (scenario_set_no)
  LEFT JOIN run earlier ON earlier.run_no = run.carried_from_run_no
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE shard.state <> 'SPLIT') AS shard_count, count(*) FILTER (WHERE shard.state = 'DONE') AS shards_done,
              coalesce(sum(shard.carried_count) FILTER (WHERE shard.state = 'DONE'), 0)::integer AS reused_count
         FROM run_shard shard
        WHERE shard.run_no = run.run_no
       ) shards
 WHERE run.run_id = %(run_id)s

-- name: get_run_keys
-- The internal numbers of a run.
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

-- name: insert_factors
-- Numbers the factors of a run; those that it has stay.
INSERT INTO run_factor (run_no, factor_no, kind, name, unit, bump, bucket_labels, bucket_days, is_sparse)
SELECT %(run_no)s, factor.factor_no, factor.kind, factor.name, factor.unit, factor.bump, factor.bucket_labels, factor.bucket_days, factor.is_sparse
  FROM jsonb_to_recordset(%(factors)s) AS factor (
       factor_no smallint, kind text, name text, unit text, bump float8, bucket_labels text[], bucket_days integer[], is_sparse boolean)
    ON CONFLICT DO NOTHING

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
       %(reused_from_run_no)s, 1
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
-- Limits how long a detachment waits for readers.
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
       shards.shard_count, shards.shards_done, shards.reused_count, earlier.run_id AS reused_from
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
              coalesce(sum(shard.carried_count) FILTER (WHERE shard.state = 'DONE'), 0)::integer AS reused_count
         FROM run_shard shard
        WHERE shard.run_no = run.run_no
       ) shards
 ORDER BY run.run_no DESC

-- name: listen_run_event
-- Notifies listeners of a new event; they read the event from the table.
LISTEN run_event

-- name: lock_partition_sweep
-- Allows one process at a time to free the storage of deleted runs.
SELECT pg_try_advisory_lock(7274722) AS locked

-- name: lock_run
-- A run's state, locked until the end of the transaction.
SELECT run_no, storage_no, state::text AS state, cancel_requested_at IS NOT NULL AS cancel_requested
  FROM run
 WHERE run_id = %(run_id)s
   FOR NO KEY UPDATE

-- name: lock_run_to_delete
-- Locks a run for deletion and returns its state; from then on no new run can reuse its results.
SELECT run_no, storage_no, state::text AS state FROM run WHERE run_id = %(run_id)s FOR UPDATE

-- name: queued_runs
-- Runs without a driver by executor, and the seconds since the oldest was submitted.
SELECT executor, count(*)::integer AS run_count, extract(epoch FROM clock_timestamp() - min(created_at))::float8 AS oldest_s
  FROM run
 WHERE state IN ('QUEUED', 'RUNNING') AND (state = 'QUEUED' OR lease_until < clock_timestamp())
 GROUP BY executor

-- name: run_factors
-- What the sensitivities of a run's results refer to, by number.
SELECT factor_no, kind, name, unit, bump, bucket_labels, bucket_days, is_sparse FROM factor WHERE run_no = %(run_no)s ORDER BY factor_no

-- name: set_cancel_requested
-- Requests a cancellation, which the coordinator reads at its next heartbeat.
UPDATE run SET cancel_requested_at = now(), event_seq = event_seq + 1 WHERE run_no = %(run_no)s RETURNING event_seq

-- name: stored_factors
-- The factors that this version stored of a run.
SELECT factor_no, kind, name, unit, bump, bucket_labels, bucket_days, is_sparse FROM run_factor WHERE run_no = %(run_no)s ORDER BY factor_no
