-- name: copy_group_vectors
-- P&L vectors of groups, from Arrow.
COPY scenario_vector (run_no, family, book, product, currency, counterparty, ok_count, dropped_count, base_pv, pnl) FROM STDIN (FORMAT binary)

-- name: copy_position_scenario_failures
-- Positions without value in some scenario, from Arrow.
COPY position_scenario_failure (run_no, position_no, first_scenario_no, scenario_count) FROM STDIN (FORMAT binary)

-- name: copy_position_vectors
-- P&L vectors of positions in blocks, from Arrow.
COPY position_vector (run_no, first_position_no, row_count, payload) FROM STDIN (FORMAT binary)

-- name: copy_scenario_failures
-- Scenarios in which positions have no value, from Arrow.
COPY scenario_failure (run_no, scenario_no, position_count, example_position_no) FROM STDIN (FORMAT binary)

-- name: count_group_vectors
-- The number of vectors of a family in a run.
SELECT count(*) AS total FROM scenario_vector WHERE run_no = %(run_no)s AND family = %(family)s

-- name: delete_group_vectors
-- Deletes the rows of an earlier attempt.
DELETE FROM scenario_vector WHERE run_no = %(run_no)s AND family = %(family)s AND book || counterparty = ANY(%(names)s)

-- name: delete_scenario_failures
-- Deletes the rows of an earlier attempt.
WITH positions AS (DELETE FROM position_scenario_failure WHERE run_no = %(run_no)s)
DELETE FROM scenario_failure WHERE run_no = %(run_no)s

-- name: get_hierarchy_document
-- The hierarchy as it was uploaded.
SELECT document::text AS document FROM hierarchy WHERE hierarchy_no = %(hierarchy_no)s

-- name: get_history_payload
-- The levels of a history.
SELECT payload FROM market_history WHERE history_no = %(history_no)s

-- name: get_run_vectors
-- The scenario vectors of a run.
SELECT run.run_no, run.vectors, run.failure_policy, run.state::text AS state, run.base_currency, run.portfolio_no,
       run.scenario_set_no, scenario_set.scenario_set_id, scenario_set.scenario_count
  FROM run
  LEFT JOIN scenario_set USING (scenario_set_no)
 WHERE run.run_id = %(run_id)s

-- name: get_scenario_set_content
-- How a scenario set was made, and its moves.
SELECT definition::text AS definition, payload FROM scenario_set WHERE scenario_set_no = %(scenario_set_no)s

-- name: insert_hierarchy
-- A snapshot, unless its content is known; the caller holds the lock of the name. Name and version serve the version before.
INSERT INTO hierarchy (hierarchy_id, name, version, content_hash, dimension, document)
SELECT %(hierarchy_id)s, %(name)s, coalesce(max(version), 0) + 1, %(content_hash)s, %(dimension)s, %(document)s::json
  FROM hierarchy
 WHERE name = %(name)s
    ON CONFLICT DO NOTHING
RETURNING hierarchy_no AS snapshot_no

-- name: insert_history
-- A snapshot, unless its content is known; the caller holds the lock of the name. Name and version serve the version before.
INSERT INTO market_history (history_id, name, version, content_hash, factors, first_date, last_date, row_count, payload)
SELECT %(history_id)s, %(name)s, coalesce(max(version), 0) + 1, %(content_hash)s, %(factors)s, %(first_date)s, %(last_date)s,
       %(row_count)s, %(payload)s
  FROM market_history
 WHERE name = %(name)s
    ON CONFLICT DO NOTHING
RETURNING history_no AS snapshot_no

-- name: insert_scenario_set
-- A snapshot, unless its content is known; the caller holds the lock of the name. Name and version serve the version before.
INSERT INTO scenario_set (scenario_set_id, name, version, content_hash, kind, definition, market_id, scenario_count, factor_count, payload)
SELECT %(scenario_set_id)s, %(name)s, coalesce(max(version), 0) + 1, %(content_hash)s, %(kind)s, %(definition)s::json, %(market_id)s,
       %(scenario_count)s, %(factor_count)s, %(payload)s
  FROM scenario_set
 WHERE name = %(name)s
    ON CONFLICT DO NOTHING
RETURNING scenario_set_no AS snapshot_no

-- name: read_group_vectors
-- Vectors of one family whose group has one of the given values, in order of the group.
SELECT family, book, product, currency, counterparty, ok_count, dropped_count, base_pv, pnl
  FROM scenario_vector
 WHERE run_no = %(run_no)s AND family = %(family)s
   AND (%(books)s::text[] IS NULL OR book = ANY (%(books)s::text[]))
   AND (%(products)s::text[] IS NULL OR product = ANY (%(products)s::text[]))
   AND (%(currencies)s::text[] IS NULL OR currency = ANY (%(currencies)s::text[]))
   AND (%(counterparties)s::text[] IS NULL OR counterparty = ANY (%(counterparties)s::text[]))
 ORDER BY book, counterparty, product, currency

-- name: read_position_vectors
-- Blocks that overlap a range of positions, in order.
SELECT first_position_no, row_count, payload
  FROM position_vector
 WHERE run_no = %(run_no)s AND first_position_no < %(end_position_no)s AND first_position_no + row_count > %(first_position_no)s
 ORDER BY first_position_no

-- name: read_position_scenario_failures
-- Positions without value in some scenario, in order.
SELECT failure.position_no, position.position_id, failure.first_scenario_no, failure.scenario_count
  FROM position_scenario_failure failure
  JOIN position ON position.portfolio_no = %(portfolio_no)s AND position.position_no = failure.position_no
 WHERE failure.run_no = %(run_no)s AND failure.position_no > %(after_position_no)s
 ORDER BY failure.position_no
 LIMIT %(limit)s

-- name: read_scenario_failures
-- Scenarios in which positions have no value, in order.
SELECT scenario_no, position_count, example_position_no FROM scenario_failure WHERE run_no = %(run_no)s ORDER BY scenario_no
