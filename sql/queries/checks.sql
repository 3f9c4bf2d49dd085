-- name: added_up_measure
-- A measure's sum over results and the size of its terms, for `check_rollups_match_results`.
coalesce(sum({measure}), 0) AS {measure}, coalesce(sum(abs({measure})), 0) AS {size}

-- name: begin_consistent_read
-- Starts a transaction whose queries all see one snapshot of the data and have no time limit.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY

-- name: check_counts_match_ledger
-- A run's counts are the sums of its finished shards.
SELECT format('run %%s counts %%s priced and %%s failed positions, its shards %%s and %%s',
              run.run_id, run.ok_count, run.failed_count, shard.ok_count, shard.failed_count) AS problem
  FROM run
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(ok_count), 0) AS ok_count, coalesce(sum(failed_count), 0) AS failed_count
         FROM run_shard
        WHERE run_shard.run_no = run.run_no AND state = 'DONE'
       ) shard
 WHERE (run.ok_count, run.failed_count) <> (shard.ok_count, shard.failed_count)

-- name: check_counts_match_results
-- A run has one result for each priced position and one failure for each failed one.
SELECT format('run %%s counts %%s priced and %%s failed positions, stored are %%s and %%s',
              run.run_id, run.ok_count, run.failed_count, result.n, failure.n) AS problem
  FROM run
 CROSS JOIN LATERAL (
       SELECT count(*) AS n FROM position_result WHERE position_result.storage_no = run.storage_no AND position_result.run_no = run.run_no
       ) result
 CROSS JOIN LATERAL (SELECT count(*) AS n FROM position_failure WHERE position_failure.run_no = run.run_no) failure
 WHERE (run.ok_count, run.failed_count) <> (result.n, failure.n)

-- name: check_ended_runs_have_no_work_left
-- A run that has ended has no pending shard.
SELECT format('run %%s is %%s and shard %%s is still pending', run.run_id, run.state, shard.shard_no) AS problem
  FROM run
  JOIN run_shard shard USING (run_no)
 WHERE run.state NOT IN ('QUEUED', 'RUNNING') AND shard.state = 'PENDING'

-- name: check_ended_runs_have_their_key
-- A finished run with its own partition has a valid unique key on that partition.
SELECT format('run %%s is %%s and position_result_%%s has no unique key', run.run_id, run.state, run.storage_no) AS problem
  FROM run
 WHERE run.storage_no <> 0
   AND run.state IN ('SUCCEEDED', 'PARTIAL')
   AND NOT EXISTS (
           SELECT FROM pg_index WHERE indrelid = to_regclass('position_result_' || run.storage_no) AND indisunique AND indisvalid)

-- name: check_events_have_no_gap
-- The events of a run are numbered from 1 without gaps.
SELECT format('run %%s has %%s events numbered %%s to %%s, and counts %%s', run.run_id, event.n, event.first, event.last, run.event_seq) AS problem
  FROM run
 CROSS JOIN LATERAL (
       SELECT count(*) AS n, min(seq) AS first, max(seq) AS last FROM run_event WHERE run_event.run_no = run.run_no
       ) event
 WHERE (event.n, event.first, event.last) IS DISTINCT FROM (run.event_seq::bigint, 1, run.event_seq)

-- name: check_large_runs_have_their_partition
-- The storage that a run names exists.
SELECT format('run %%s has no partition position_result_%%s', run.run_id, run.storage_no) AS problem
  FROM run
 WHERE to_regclass('position_result_' || run.storage_no) IS NULL

-- name: check_markets_match_their_hash
-- The hash of a market matches its document, so the document was not edited.
SELECT format('market %%s has another document than the one its content hash was taken of', market_id) AS problem
  FROM market_snapshot
 WHERE sha256(convert_to(document::text, 'UTF8')) <> content_hash

-- name: check_names_and_snapshots_belong_together
-- Every snapshot has a name, and every name points to a snapshot.
WITH snapshot AS (
     SELECT 'market' AS kind, market_no AS snapshot_no, market_id AS snapshot_id FROM market_snapshot
      UNION ALL
     SELECT 'portfolio', portfolio_no, portfolio_id FROM portfolio_snapshot
      UNION ALL
     SELECT 'market history', history_no, history_id FROM market_history
      UNION ALL
     SELECT 'scenario set', scenario_set_no, scenario_set_id FROM scenario_set
      UNION ALL
     SELECT 'hierarchy', hierarchy_no, hierarchy_id FROM hierarchy
      UNION ALL
     SELECT 'fixing table', fixings_no, fixings_id FROM fixings_snapshot
)
SELECT format('%%s %%s has no name', kind, snapshot_id) AS problem
  FROM snapshot
 WHERE NOT EXISTS (SELECT FROM snapshot_name WHERE (snapshot_name.kind, snapshot_name.snapshot_no) = (snapshot.kind, snapshot.snapshot_no))
 UNION ALL
SELECT format('%%s name %%L, version %%s, points to number %%s, which does not exist', kind, name, version, snapshot_no)
  FROM snapshot_name
 WHERE NOT EXISTS (SELECT FROM snapshot WHERE (snapshot.kind, snapshot.snapshot_no) = (snapshot_name.kind, snapshot_name.snapshot_no))

-- name: check_no_position_is_both_priced_and_failed
-- A position has a result or a failure, not both.
SELECT format('run %%s has both a result and a failure for %%s positions, the first is %%s', run.run_id, count(*), min(failure.position_no)) AS problem
  FROM run
  JOIN position_failure failure USING (run_no)
  JOIN position_result result
    ON result.storage_no = run.storage_no AND result.run_no = run.run_no AND result.position_no = failure.position_no
 GROUP BY run.run_id

-- name: check_no_stray_rows
-- Every row of a table without foreign keys belongs to an existing run or portfolio.
SELECT format('position has rows of portfolio number %%s, which does not exist', portfolio_no) AS problem
  FROM (SELECT DISTINCT portfolio_no FROM position) position
 WHERE NOT EXISTS (SELECT FROM portfolio_snapshot WHERE portfolio_snapshot.portfolio_no = position.portfolio_no)
 UNION ALL
SELECT format('position_result_0 has rows of run number %%s, which does not exist', run_no)
  FROM (SELECT DISTINCT run_no FROM position_result WHERE storage_no = 0) result
 WHERE NOT EXISTS (SELECT FROM run WHERE run.run_no = result.run_no)

-- name: check_portfolios_are_complete
-- Positions are numbered from 0 without gaps, and the batches contain each once.
SELECT format('portfolio %%s counts %%s positions, has %%s rows numbered %%s to %%s, and batches of %%s', portfolio.portfolio_id,
              portfolio.position_count, position.n, position.first, position.last, batch.n) AS problem
  FROM portfolio_snapshot portfolio
 CROSS JOIN LATERAL (
       SELECT count(*) AS n, min(position_no) AS first, max(position_no) AS last FROM position WHERE position.portfolio_no = portfolio.portfolio_no
       ) position
 CROSS JOIN LATERAL (
       SELECT sum(row_count) AS n FROM portfolio_batch WHERE portfolio_batch.portfolio_no = portfolio.portfolio_no
       ) batch
 WHERE (position.n, position.first, position.last + 1, batch.n)
       IS DISTINCT FROM (portfolio.position_count::bigint, 0, portfolio.position_count, portfolio.position_count::bigint)

-- name: check_rollups_match_results
-- Stored sums equal the sums of the stored results, within the rounding of another order of addition.
SELECT format('run %%s: %%s of the rollups is %%s, of the results %%s', run.run_id, sums.name, sums.rolled_up, sums.added_up) AS problem
  FROM run
 CROSS JOIN LATERAL (
       SELECT sum(ok_count) AS ok_count, sum(failed_count) AS failed_count, {rolled_up}
         FROM result_rollup
        WHERE result_rollup.run_no = run.run_no
       ) rollup
 CROSS JOIN LATERAL (
       SELECT {added_up}
         FROM position_result
        WHERE position_result.storage_no = run.storage_no AND position_result.run_no = run.run_no
       ) result
 CROSS JOIN LATERAL (
       VALUES {compared},
              ('ok_count', rollup.ok_count, run.ok_count, 0),
              ('failed_count', rollup.failed_count, run.failed_count, 0)
       ) sums (name, rolled_up, added_up, size)
 WHERE (run.state IN ('SUCCEEDED', 'PARTIAL') OR (run.state = 'CANCELLED' AND run.ok_count + run.failed_count > 0))
   AND coalesce(abs(sums.rolled_up - sums.added_up) > 1e-9 * sums.size, true)

-- name: check_running_runs_are_held
-- A coordinator or a job holds the lease of every running run.
SELECT format('run %%s is RUNNING, but its lease ended at %%s', run_id, lease_until) AS problem
  FROM run
 WHERE state = 'RUNNING' AND lease_until < clock_timestamp() - make_interval(secs => 2 * %(lease_s)s)

-- name: check_shards_cover_the_portfolio
-- The shards of a run contain every position once.
SELECT format('run %%s: the shards do not follow each other at position %%s', run_id, next_position_no) AS problem
  FROM (
       SELECT run.run_id, shard.first_position_no,
              lag(shard.first_position_no + shard.row_count, 1, 0) OVER (PARTITION BY run.run_no ORDER BY shard.first_position_no) AS next_position_no
         FROM run
         JOIN run_shard shard ON shard.run_no = run.run_no AND shard.state <> 'SPLIT'
       ) neighbour
 WHERE first_position_no <> next_position_no
 UNION ALL
SELECT format('run %%s has %%s positions and its shards hold %%s', run.run_id, run.position_count, shard.n)
  FROM run
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(row_count), 0) AS n FROM run_shard WHERE run_shard.run_no = run.run_no AND state <> 'SPLIT'
       ) shard
 WHERE shard.n <> run.position_count

-- name: compared_measure
-- A measure's two sums side by side, for `check_rollups_match_results`.
({text}, rollup.{measure}, result.{measure}, result.{size})

-- name: rolled_up_measure
-- A measure's sum over rollups, for `check_rollups_match_results`.
sum({measure}) AS {measure}

-- name: unsoundly_read_portfolios
-- Portfolios with rejected rows that were read only by reader versions that could change the good rows.
SELECT portfolio.portfolio_id, portfolio.rejected_count, upload.names
  FROM portfolio_snapshot portfolio
 CROSS JOIN LATERAL (
       SELECT array_agg(DISTINCT name ORDER BY name) AS names, max(reader_version) AS reader_version
         FROM snapshot_name
        WHERE kind = 'portfolio' AND snapshot_no = portfolio.portfolio_no
       ) upload
 WHERE portfolio.rejected_count > 0 AND coalesce(upload.reader_version, 0) < %(sound_reader_version)s
 ORDER BY portfolio.portfolio_no
