-- name: analyze_positions
-- Updates the planner's statistics for a new large portfolio at once instead of within a minute.
ANALYZE position

-- name: copy_positions
-- Inserts the narrow rows of a portfolio, from Arrow.
COPY position (portfolio_no, position_no, position_id, product, book, counterparty, currency, notional) FROM STDIN (FORMAT binary)

-- name: count_positions
-- Positions by product, book and currency, for the description of a portfolio.
SELECT product, book, currency, count(*)::integer AS position_count
  FROM position
 WHERE portfolio_no = %(portfolio_no)s
 GROUP BY product, book, currency
 ORDER BY product, book, currency

-- name: delete_positions
-- Deletes the narrow rows, which no foreign key deletes.
DELETE FROM position WHERE portfolio_no = %(snapshot_no)s

-- name: find_position
-- One position by its position_id.
SELECT position_no, position_id, product, book, counterparty, currency, notional
  FROM position
 WHERE portfolio_no = %(portfolio_no)s AND position_id = %(position_id)s

-- name: insert_portfolio_batch
-- Contracts of one product, contiguous in position_no.
INSERT INTO portfolio_batch (portfolio_no, batch_no, product, first_position_no, row_count, payload)
VALUES (%(portfolio_no)s, %(batch_no)s, %(product)s, %(first_position_no)s, %(row_count)s, %(payload)s)

-- name: insert_portfolio_requirement
-- The market data that positions of one product require.
INSERT INTO portfolio_requirement (portfolio_no, product, kind, name, currency, position_count, gross_notional)
VALUES (%(portfolio_no)s, %(product)s, %(kind)s, %(name)s, %(currency)s, %(position_count)s, %(gross_notional)s)

-- name: read_batches
-- The batches that overlap a range of positions, in order.
SELECT product, first_position_no, row_count, payload
  FROM portfolio_batch
 WHERE portfolio_no = %(portfolio_no)s
   AND first_position_no < %(end_position_no)s
   AND first_position_no + row_count > %(first_position_no)s
 ORDER BY batch_no

-- name: read_positions
-- Narrow rows in order of their number.
SELECT position_no, position_id, product, book, counterparty, currency, notional
  FROM position
 WHERE portfolio_no = %(portfolio_no)s AND position_no > %(after_position_no)s
 ORDER BY position_no
 LIMIT %(limit)s

-- name: read_products
-- The range of positions of each product.
SELECT product, min(first_position_no) AS first_position_no, sum(row_count)::integer AS row_count
  FROM portfolio_batch
 WHERE portfolio_no = %(portfolio_no)s
 GROUP BY product
 ORDER BY 2

-- name: read_requirements
-- The market data that the portfolio requires.
SELECT product, kind, name, currency, position_count, gross_notional
  FROM portfolio_requirement
 WHERE portfolio_no = %(portfolio_no)s
 ORDER BY product, kind, name, currency
