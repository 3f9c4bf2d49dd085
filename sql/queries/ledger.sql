-- name: analyze_partition
-- Gives the planner the row count; without it, the planner sorts a whole large run to read one page.
ANALYZE {partition} (storage_no, run_no, position_no)

-- name: cancel_pending_shards
-- Cancels the shards that were pending when the run ended.
UPDATE run_shard SET state = 'CANCELLED', finished_at = now() WHERE run_no = %(run_no)s AND state = 'PENDING'

-- name: claim_run
-- Claims the oldest run without a valid lease, or the given run, with a new epoch. Leases use the database's clock.
-- Any coordinator may claim a run with a cancellation request, because the job that it waits for may never start.
UPDATE run
   SET state = 'RUNNING', owner = %(owner)s, epoch = epoch + 1, event_seq = event_seq + 1,
       lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s),
       started_at = coalesce(started_at, clock_timestamp())
  FROM market_snapshot market, portfolio_snapshot portfolio
 WHERE run.run_no = (
           SELECT candidate.run_no
             FROM run candidate
            WHERE candidate.state IN ('QUEUED', 'RUNNING')
              AND (candidate.state = 'QUEUED' OR candidate.lease_until < clock_timestamp())
              AND (%(executor)s::text IS NULL OR candidate.executor = %(executor)s OR candidate.cancel_requested_at IS NOT NULL)
              AND (%(run_id)s::text IS NULL OR candidate.run_id = %(run_id)s)
            ORDER BY candidate.run_no
            LIMIT 1
              FOR UPDATE SKIP LOCKED)
   AND market.market_no = run.market_no
   AND portfolio.portfolio_no = run.portfolio_no
RETURNING run.run_no, run.run_id, run.epoch, run.storage_no, run.market_no, market.market_id, run.portfolio_no, portfolio.portfolio_id,
          market.as_of, run.base_currency, run.measures, run.rows_per_shard, run.position_count,
          run.cancel_requested_at IS NOT NULL AS cancel_requested, run.created_at, run.scenario_set_no,
          (SELECT scenario_set_id FROM scenario_set WHERE scenario_set.scenario_set_no = run.scenario_set_no) AS scenario_set_id,
          run.vectors, run.failure_policy, run.traceparent, run.carried_from_run_no AS reused_from_run_no, run.event_seq

-- name: claimed_run
-- The current state of a run.
SELECT state::text AS state, epoch, storage_no FROM run WHERE run_no = %(run_no)s

-- name: copy_failures
-- Failed positions of a shard, from Arrow.
COPY position_failure (run_no, position_no, code, message, remedy) FROM STDIN (FORMAT binary)

-- name: copy_results
-- Priced positions of a shard, from Arrow.
COPY position_result (storage_no, run_no, {columns}) FROM STDIN (FORMAT binary)

-- name: copy_rollups
-- Sums by book, product and currency, from Arrow.
COPY result_rollup (run_no, {columns}) FROM STDIN (FORMAT binary)

-- name: copy_sensitivities
-- Sums of sensitivities by factor, from Arrow.
COPY result_sensitivity (run_no, {columns}) FROM STDIN (FORMAT binary)

-- name: count_shard
-- Adds a shard to its run's counts, if the claim is still valid.
UPDATE run
   SET ok_count = ok_count + %(ok_count)s, failed_count = failed_count + %(failed_count)s, event_seq = event_seq + 1
 WHERE run_no = %(run_no)s AND epoch = %(epoch)s AND state = 'RUNNING'
RETURNING event_seq, position_count, ok_count + failed_count AS positions_done

-- name: create_partition_key
-- Makes (run, position) unique over the whole run, after the load.
CREATE UNIQUE INDEX IF NOT EXISTS {index} ON {partition} (run_no, position_no)

-- name: has_relation
-- Whether a table or an index of this name exists.
SELECT to_regclass(%(name)s) IS NOT NULL AS exists

-- name: done_shards
-- The sums and counts of the finished shards, for the rollups and the manifest.
SELECT shard_no, row_count, ok_count, failed_count, exact_sums, seconds
  FROM run_shard
 WHERE run_no = %(run_no)s AND state = 'DONE'
 ORDER BY shard_no

-- name: done_ranges
-- The numbers of positions in the finished shards.
SELECT shard_no, product, first_position_no, row_count, attempts FROM run_shard WHERE run_no = %(run_no)s AND state = 'DONE' ORDER BY shard_no

-- name: earlier_run
-- Where the results of a run are, and the market that they were made under.
SELECT run.run_no, run.storage_no, market.market_id
  FROM run
  JOIN market_snapshot market USING (market_no)
 WHERE run.run_no = %(run_no)s

-- name: earlier_results
-- Priced positions of a range, to be reused.
SELECT {columns}
  FROM position_result
 WHERE storage_no = %(storage_no)s AND run_no = %(run_no)s
   AND position_no >= %(first_position_no)s AND position_no < %(end_position_no)s
 ORDER BY position_no

-- name: failed_position_nos
-- Failed positions of a range.
SELECT position_no
  FROM position_failure
 WHERE run_no = %(run_no)s AND position_no >= %(first_position_no)s AND position_no < %(end_position_no)s

-- name: finish_run
-- The last change of a run.
UPDATE run
   SET state = %(state)s::run_state, finished_at = clock_timestamp(), manifest = %(manifest)s, event_seq = event_seq + 1,
       cancelled_count = CASE WHEN %(state)s::run_state IN ('CANCELLED', 'FAILED') THEN position_count - ok_count - failed_count ELSE 0 END,
       error_code = %(error_code)s, error_detail = %(error_detail)s, owner = NULL, lease_until = NULL
 WHERE run_no = %(run_no)s
RETURNING event_seq, ok_count, failed_count, cancelled_count

-- name: finish_shard
-- Marks a shard as done, once.
UPDATE run_shard
   SET state = 'DONE', epoch = %(epoch)s, ok_count = %(ok_count)s, failed_count = %(failed_count)s, exact_sums = %(exact_sums)s,
       seconds = %(seconds)s, carried = %(reused)s, carried_count = %(reused_count)s, attempts = attempts + 1, finished_at = now()
 WHERE run_no = %(run_no)s AND shard_no = %(shard_no)s AND state = 'PENDING'

-- name: hold_claim
-- Locks the run against other claims until the end of the transaction, if this claim is still valid.
SELECT run_no FROM run WHERE run_no = %(run_no)s AND epoch = %(epoch)s AND state = 'RUNNING' FOR SHARE

-- name: keep_alive
-- Does nothing, so that the server does not end the transaction as idle.
SELECT

-- name: lock_claimed_run
-- Locks a run until the end of the transaction.
SELECT run_id, state::text AS state, epoch, storage_no, position_count, ok_count, failed_count FROM run WHERE run_no = %(run_no)s FOR NO KEY UPDATE

-- name: lock_finish
-- Allows one transaction at a time to end a run; the first number separates these locks from others.
SELECT pg_advisory_xact_lock(7274723, %(run_no)s)

-- name: lock_shard
-- A shard's state, once every transaction that changes the shard has ended.
SELECT state::text AS state FROM run_shard WHERE run_no = %(run_no)s AND shard_no = %(shard_no)s FOR UPDATE

-- name: number_event
-- The next event number of a run, if the claim is still valid.
UPDATE run SET event_seq = event_seq + 1 WHERE run_no = %(run_no)s AND epoch = %(epoch)s AND state = 'RUNNING' RETURNING event_seq

-- name: pending_shards
-- The pending shards, in order.
SELECT shard_no, product, first_position_no, row_count, attempts
  FROM run_shard
 WHERE run_no = %(run_no)s AND state = 'PENDING'
 ORDER BY shard_no

-- name: record_attempt
-- Counts an attempt at a shard that ended without a result.
UPDATE run_shard SET attempts = attempts + 1 WHERE run_no = %(run_no)s AND shard_no = %(shard_no)s AND state = 'PENDING' RETURNING attempts

-- name: release_lease
-- Ends the lease at once, so that another coordinator can claim the run.
UPDATE run SET lease_until = clock_timestamp() WHERE run_no = %(run_no)s AND epoch = %(epoch)s AND state = 'RUNNING'

-- name: renew_lease
-- Renews a claim, and returns whether a cancellation was requested.
UPDATE run
   SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
 WHERE run_no = %(run_no)s AND epoch = %(epoch)s AND state = 'RUNNING'
RETURNING cancel_requested_at IS NOT NULL AS cancel_requested

-- name: sample_little
-- Samples 300 rows instead of 30,000 until the end of the transaction: position numbers are dense and the other columns constant.
SET LOCAL default_statistics_target = 1

-- name: shard_and_claim
-- Whether a shard is still unwritten, and under which claim.
SELECT shard.state::text AS state, run.epoch, run.state::text AS run_state, shard.row_count
  FROM run_shard shard
  JOIN run USING (run_no)
 WHERE shard.run_no = %(run_no)s AND shard.shard_no = %(shard_no)s

-- name: split_shard
-- Removes a shard from the ledger, so that its parts can replace it.
UPDATE run_shard
   SET state = 'SPLIT', finished_at = now()
 WHERE run_no = %(run_no)s AND shard_no = %(shard_no)s AND state = 'PENDING'
RETURNING product, first_position_no, row_count,
          (SELECT max(shard_no) + 1 FROM run_shard WHERE run_no = %(run_no)s) AS next_shard_no

-- name: stored_counts
-- Row counts of a run in the ledger and in the result tables.
SELECT (SELECT count(*) FROM run_shard WHERE run_no = %(run_no)s AND state = 'PENDING') AS pending_shards,
       (SELECT coalesce(sum(ok_count), 0) FROM run_shard WHERE run_no = %(run_no)s AND state = 'DONE') AS ok_in_ledger,
       (SELECT coalesce(sum(failed_count), 0) FROM run_shard WHERE run_no = %(run_no)s AND state = 'DONE') AS failed_in_ledger,
       (SELECT count(*) FROM position_result WHERE storage_no = %(storage_no)s AND run_no = %(run_no)s) AS results,
       (SELECT count(*) FROM position_failure WHERE run_no = %(run_no)s) AS failures
