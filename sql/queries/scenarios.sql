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

-- name: get_run_vectors
-- The scenario vectors of a run.
SELECT run.run_no, run.vectors, run.failure_policy, run.state::text AS state, run.base_currency, run.portfolio_no,
       run.scenario_set_no, scenario_set.scenario_set_id, scenario_set.scenario_count
  FROM run
  LEFT JOIN scenario_set USING (scenario_set_no)
 WHERE run.run_id = %(run_id)s

-- name: read_group_vectors
-- Vectors of one family whose group has one of the given values, in order of the group.
SELECT family, book, product, currency, counterparty, ok_count, dropped_count, base_pv AS pv_base, pnl
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
