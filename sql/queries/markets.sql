-- name: insert_market_curve
-- One curve of a market.
INSERT INTO market_curve (market_no, kind, curve_no, name, currency, pillar_labels, pillar_days, zero_rates)
VALUES (%(market_no)s, %(kind)s, %(curve_no)s, %(name)s, %(currency)s, %(pillar_labels)s, %(pillar_days)s, %(zero_rates)s)

-- name: list_market_curves
-- The curves of a market in the order of their numbers.
SELECT kind, curve_no, name, currency, pillar_labels, pillar_days, zero_rates
  FROM market_curve
 WHERE market_no = %(market_no)s
 ORDER BY array_position(ARRAY['discount', 'spread', 'hazard', 'inflation'], kind), curve_no
