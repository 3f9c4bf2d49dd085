-- name: get_market_document
-- The market as it was uploaded.
SELECT document::text AS document FROM market_snapshot WHERE market_id = %(market_id)s

-- name: insert_market
-- A snapshot, unless its content is known; the caller holds the lock of the name. Name and version serve the version before.
INSERT INTO market_snapshot (market_id, name, version, as_of, content_hash, document)
SELECT %(market_id)s, %(name)s, coalesce(max(version), 0) + 1, %(as_of)s, %(content_hash)s, %(document)s::json
  FROM market_snapshot
 WHERE name = %(name)s
    ON CONFLICT DO NOTHING
RETURNING market_no AS snapshot_no

-- name: insert_market_curve
-- One curve of a market.
INSERT INTO market_curve (market_no, kind, curve_no, name, currency, pillar_labels, pillar_days, zero_rates)
VALUES (%(market_no)s, %(kind)s, %(curve_no)s, %(name)s, %(currency)s, %(pillar_labels)s, %(pillar_days)s, %(zero_rates)s)

-- name: list_market_curves
-- The curves of a market in the order of their numbers.
SELECT kind, curve_no, name, currency, pillar_labels, pillar_days, zero_rates
  FROM market_curve
 WHERE market_no = %(market_no)s
 ORDER BY kind, curve_no
