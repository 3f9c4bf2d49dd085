-- name: differences
-- Part of the next two: every position of two runs, the values of a measure, and how they differ.
SELECT coalesce(a.position_id, b.position_id) AS position_id,
       CASE WHEN a.position_id IS NULL THEN 'opened'
            WHEN b.position_id IS NULL THEN 'closed'
            WHEN a.is_priced AND NOT b.is_priced THEN 'now_failing'
            WHEN b.is_priced AND NOT a.is_priced THEN 'now_priced'
            WHEN (a.value IS NULL) <> (b.value IS NULL) THEN 'changed'
            WHEN abs(b.value - a.value)
                 > %(absolute_tolerance)s::float8 + %(relative_tolerance)s::float8 * greatest(abs(a.value), abs(b.value)) THEN 'changed'
            ELSE 'unchanged' END AS kind,
       coalesce(b.product, a.product) AS product,
       coalesce(b.book, a.book) AS book,
       coalesce(b.counterparty, a.counterparty) AS counterparty,
       coalesce(b.currency, a.currency) AS currency,
       a.value AS before,
       b.value AS after,
       coalesce(b.value, 0) - coalesce(a.value, 0) AS difference
  FROM (
       SELECT position.position_id, position.product, position.book, position.counterparty, position.currency,
              r.{columns} AS value, r.position_no IS NOT NULL AS is_priced
         FROM position
         LEFT JOIN position_result r
           ON r.storage_no = %(storage_no_before)s AND r.run_no = %(run_no_before)s AND r.position_no = position.position_no
        WHERE position.portfolio_no = %(portfolio_no_before)s AND position.position_id > %(after_position_id)s
       ) a
  FULL JOIN (
       SELECT position.position_id, position.product, position.book, position.counterparty, position.currency,
              r.{columns} AS value, r.position_no IS NOT NULL AS is_priced
         FROM position
         LEFT JOIN position_result r
           ON r.storage_no = %(storage_no_after)s AND r.run_no = %(run_no_after)s AND r.position_no = position.position_no
        WHERE position.portfolio_no = %(portfolio_no_after)s AND position.position_id > %(after_position_id)s
       ) b ON b.position_id = a.position_id

-- name: diff_positions
-- Positions whose measure differs between two runs, in order of their id.
SELECT *
  FROM ({differences}) compared
 WHERE kind <> 'unchanged'
 ORDER BY position_id
 LIMIT %(limit)s

-- name: diff_summary
-- The number of positions by how they differ between two runs, and their sums.
SELECT kind, count(*) AS position_count,
       coalesce(sum(before ORDER BY position_id), 0) AS before,
       coalesce(sum(after ORDER BY position_id), 0) AS after,
       coalesce(sum(difference ORDER BY position_id), 0) AS difference
  FROM ({differences}) compared
 GROUP BY kind
 ORDER BY kind

-- name: failure_summary
-- Failed positions by reason and product, with one example each.
SELECT failure.code, position.product, count(*) AS position_count,
       (array_agg(failure.message ORDER BY failure.position_no))[1] AS message,
       (array_agg(failure.remedy ORDER BY failure.position_no))[1] AS remedy,
       (array_agg(position.position_id ORDER BY failure.position_no))[1] AS example_position_id
  FROM position_failure failure
  JOIN position ON position.portfolio_no = %(portfolio_no)s AND position.position_no = failure.position_no
 WHERE failure.run_no = %(run_no)s
 GROUP BY failure.code, position.product
 ORDER BY count(*) DESC, failure.code, position.product

-- name: get_failure
-- The failure of one position.
SELECT position.position_id, position.product, position.book, position.counterparty, position.currency, position.notional,
       failure.position_no, failure.code, failure.message, failure.remedy
  FROM position
  JOIN position_failure failure ON failure.run_no = %(run_no)s AND failure.position_no = position.position_no
 WHERE position.portfolio_no = %(portfolio_no)s AND position.position_id = %(position_id)s

-- name: get_result
-- One position's result.
SELECT {columns}
  FROM (
       SELECT position.position_id, position.product, position.book, position.counterparty, position.currency, position.notional, r.*
         FROM position
         JOIN priced_position r ON r.storage_no = %(storage_no)s AND r.run_no = %(run_no)s AND r.position_no = position.position_no
        WHERE position.portfolio_no = %(portfolio_no)s AND position.position_id = %(position_id)s
       ) result

-- name: position_origin
-- From a run to the one that valued a position's row, through those that reused it.
WITH RECURSIVE step AS (
     SELECT run_no, carried_from_run_no, 0 AS reused_times FROM run WHERE run_no = %(run_no)s
      UNION ALL
     SELECT earlier.run_no, earlier.carried_from_run_no, step.reused_times + 1
       FROM step
       JOIN run_shard shard ON shard.run_no = step.run_no AND shard.carried @> %(position_no)s::integer
       JOIN run earlier ON earlier.run_no = step.carried_from_run_no
)
SELECT run.run_id AS valued_in, market.market_id, step.reused_times
  FROM step
  JOIN run USING (run_no)
  JOIN market_snapshot market USING (market_no)
 ORDER BY step.reused_times DESC
 LIMIT 1

-- name: position_rollup_measure
-- A measure added up from positions, for `position_rollups`.
coalesce(sum(r.{measure} ORDER BY position.position_no), 0) AS {measure}

-- name: position_rollups
-- Sums over any groups, computed from the positions in their order.
SELECT CASE WHEN %(by_book)s THEN position.book END AS book,
       CASE WHEN %(by_product)s THEN position.product END AS product,
       CASE WHEN %(by_currency)s THEN position.currency END AS currency,
       CASE WHEN %(by_counterparty)s THEN position.counterparty END AS counterparty,
       count(r.position_no) AS ok_count,
       count(failure.position_no) AS failed_count,
       CASE WHEN min(position.currency) = max(position.currency) THEN coalesce(sum(r.pv ORDER BY position.position_no), 0) END AS pv,
       {sums}
  FROM position
  LEFT JOIN position_result r ON r.storage_no = %(storage_no)s AND r.run_no = %(run_no)s AND r.position_no = position.position_no
  LEFT JOIN position_failure failure ON failure.run_no = %(run_no)s AND failure.position_no = position.position_no
 WHERE position.portfolio_no = %(portfolio_no)s
   AND (r.position_no IS NOT NULL OR failure.position_no IS NOT NULL)
   AND (%(books)s::text[] IS NULL OR position.book = ANY (%(books)s::text[]))
   AND (%(products)s::text[] IS NULL OR position.product = ANY (%(products)s::text[]))
   AND (%(currencies)s::text[] IS NULL OR position.currency = ANY (%(currencies)s::text[]))
   AND (%(counterparties)s::text[] IS NULL OR position.counterparty = ANY (%(counterparties)s::text[]))
   AND (%(position_ids)s::text[] IS NULL OR position.position_id = ANY (%(position_ids)s::text[]))
 GROUP BY 1, 2, 3, 4
 ORDER BY 1, 2, 3, 4

-- name: read_failures
-- Failed positions in order of their number.
SELECT failure.position_no, position.position_id, position.product, position.book, position.counterparty, position.currency,
       position.notional, failure.code, failure.message, failure.remedy
  FROM position_failure failure
  JOIN position ON position.portfolio_no = %(portfolio_no)s AND position.position_no = failure.position_no
 WHERE failure.run_no = %(run_no)s AND failure.position_no > %(after_position_no)s
   AND position.position_no > %(after_position_no)s
   AND (%(code)s::text IS NULL OR failure.code = %(code)s)
   AND (%(books)s::text[] IS NULL OR position.book = ANY (%(books)s::text[]))
   AND (%(products)s::text[] IS NULL OR position.product = ANY (%(products)s::text[]))
   AND (%(currencies)s::text[] IS NULL OR position.currency = ANY (%(currencies)s::text[]))
   AND (%(counterparties)s::text[] IS NULL OR position.counterparty = ANY (%(counterparties)s::text[]))
   AND (%(position_ids)s::text[] IS NULL OR position.position_id = ANY (%(position_ids)s::text[]))
 ORDER BY failure.position_no
 LIMIT %(limit)s

-- name: read_results
-- Priced positions in order of their number.
SELECT {columns}
  FROM (
       SELECT position.position_id, position.product, position.book, position.counterparty, position.currency, position.notional, r.*
         FROM priced_position r
         JOIN position ON position.portfolio_no = %(portfolio_no)s AND position.position_no = r.position_no
        WHERE r.storage_no = %(storage_no)s AND r.run_no = %(run_no)s AND r.position_no > %(after_position_no)s
          AND position.position_no > %(after_position_no)s
          AND r.position_no < %(end_position_no)s
          AND position.position_no < %(end_position_no)s
          AND (%(books)s::text[] IS NULL OR position.book = ANY (%(books)s::text[]))
          AND (%(products)s::text[] IS NULL OR position.product = ANY (%(products)s::text[]))
          AND (%(currencies)s::text[] IS NULL OR position.currency = ANY (%(currencies)s::text[]))
          AND (%(counterparties)s::text[] IS NULL OR position.counterparty = ANY (%(counterparties)s::text[]))
          AND (%(position_ids)s::text[] IS NULL OR position.position_id = ANY (%(position_ids)s::text[]))
       ) result
 ORDER BY position_no
 LIMIT %(limit)s

-- name: rollup_measure
-- A measure added up over stored sums, for `rollups`.
sum({measure} ORDER BY book, product, currency) AS {measure}

-- name: rollups
-- Sums over the given dimensions; native amounts only for a group with one currency.
SELECT CASE WHEN %(by_book)s THEN book END AS book,
       CASE WHEN %(by_product)s THEN product END AS product,
       CASE WHEN %(by_currency)s THEN currency END AS currency,
       sum(ok_count) AS ok_count,
       sum(failed_count) AS failed_count,
       CASE WHEN min(currency) = max(currency) THEN sum(pv ORDER BY book, product, currency) END AS pv,
       {sums}
  FROM result_rollup
 WHERE run_no = %(run_no)s
   AND (%(books)s::text[] IS NULL OR book = ANY (%(books)s::text[]))
   AND (%(products)s::text[] IS NULL OR product = ANY (%(products)s::text[]))
   AND (%(currencies)s::text[] IS NULL OR currency = ANY (%(currencies)s::text[]))
 GROUP BY 1, 2, 3
 ORDER BY 1, 2, 3

-- name: sensitivities
-- Sums of sensitivities by factor and bucket, over the groups asked for.
SELECT CASE WHEN %(by_book)s THEN sums.book END AS book,
       CASE WHEN %(by_product)s THEN sums.product END AS product,
       sums.kind,
       sums.name AS factor,
       factor.bucket_labels[sums.bucket_no + 1] AS bucket,
       factor.bucket_days[sums.bucket_no + 1] AS bucket_days,
       sum(sums.sensitivity ORDER BY sums.book, sums.product) AS sensitivity
  FROM sensitivity sums
  JOIN factor ON factor.run_no = sums.run_no AND factor.factor_no = sums.factor_no
 WHERE sums.run_no = %(run_no)s
   AND (%(kinds)s::text[] IS NULL OR sums.kind = ANY (%(kinds)s::text[]))
   AND (%(factors)s::text[] IS NULL OR sums.name = ANY (%(factors)s::text[]))
   AND (%(books)s::text[] IS NULL OR sums.book = ANY (%(books)s::text[]))
   AND (%(products)s::text[] IS NULL OR sums.product = ANY (%(products)s::text[]))
 GROUP BY 1, 2, 3, 4, 5, 6, sums.factor_no, sums.bucket_no
 ORDER BY 1, 2, sums.factor_no, sums.bucket_no

-- name: top_results
-- The priced positions with the largest, smallest or largest absolute values of a measure.
SELECT {columns}
  FROM (
       SELECT position.position_id, position.product, position.book, position.counterparty, position.currency, position.notional, r.*
         FROM priced_position r
         JOIN position ON position.portfolio_no = %(portfolio_no)s AND position.position_no = r.position_no
        WHERE r.storage_no = %(storage_no)s AND r.run_no = %(run_no)s AND r.{measure} IS NOT NULL
          AND (%(books)s::text[] IS NULL OR position.book = ANY (%(books)s::text[]))
          AND (%(products)s::text[] IS NULL OR position.product = ANY (%(products)s::text[]))
          AND (%(currencies)s::text[] IS NULL OR position.currency = ANY (%(currencies)s::text[]))
          AND (%(counterparties)s::text[] IS NULL OR position.counterparty = ANY (%(counterparties)s::text[]))
          AND (%(position_ids)s::text[] IS NULL OR position.position_id = ANY (%(position_ids)s::text[]))
       ) result
 ORDER BY CASE %(order)s::text WHEN 'absolute' THEN abs({measure}) WHEN 'highest' THEN {measure} ELSE -{measure} END DESC, position_no
 LIMIT %(limit)s
