-- name: count_markets
-- Length of the list, for a page beyond its end.
SELECT count(*) AS total FROM market_snapshot WHERE %(name)s::text IS NULL OR name = %(name)s

-- name: delete_market
-- Deletes a market and its curves; a run that uses it forbids this.
DELETE FROM market_snapshot WHERE market_no = %(market_no)s

-- name: get_market
-- A market by id, or the newest version of a name.
SELECT market_no, market_id, name, version, as_of, content_hash, created_at
  FROM market_snapshot
 WHERE market_id = %(market)s OR name = %(market)s
 ORDER BY market_id = %(market)s DESC, version DESC
 LIMIT 1

-- name: get_market_by_hash
-- A market by its content.
SELECT market_no, market_id, name, version, as_of, content_hash, created_at
  FROM market_snapshot
 WHERE content_hash = %(content_hash)s

-- name: get_market_document
-- The market as it was uploaded.
SELECT document::text AS document FROM market_snapshot WHERE market_id = %(market_id)s

-- name: insert_market
-- A new version of a name, unless the content is known; the caller holds the lock of the name.
INSERT INTO market_snapshot (market_id, name, version, as_of, content_hash, document)
SELECT %(market_id)s, %(name)s, coalesce(max(version), 0) + 1, %(as_of)s, %(content_hash)s, %(document)s::json
  FROM market_snapshot
 WHERE name = %(name)s
    ON CONFLICT DO NOTHING
RETURNING market_no, market_id, name, version, as_of, content_hash, created_at

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

-- name: list_markets
-- A page of markets, newest first, with the length of the whole list.
SELECT market_no, market_id, name, version, as_of, content_hash, created_at, count(*) OVER () AS total
  FROM market_snapshot
 WHERE %(name)s::text IS NULL OR name = %(name)s
 ORDER BY market_no DESC
OFFSET %(offset)s LIMIT %(limit)s

-- name: lock_market
-- Holds off new runs on a market that is about to be deleted.
SELECT FROM market_snapshot WHERE market_no = %(market_no)s FOR UPDATE

-- name: lock_snapshot_name
-- Two uploads under one name get their version numbers one after the other.
SELECT pg_advisory_xact_lock(hashtextextended(%(kind)s || ':' || %(name)s, 0))
