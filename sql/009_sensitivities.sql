-- Sensitivities by factor: one shape for every bucketed risk of positions and of roll-ups. The columns and tables of the version before
-- stay, because it goes on writing them beside this one; this version leaves them empty, which costs no bytes, and reads both through views.

CREATE TABLE run_factor (
    run_no         integer NOT NULL REFERENCES run ON DELETE CASCADE,
    factor_no      smallint NOT NULL CHECK (factor_no >= 0),
    kind           text NOT NULL,                     -- FactorKind: RATE, SPREAD, CURRENCY, ...
    name           text NOT NULL,                     -- of the curve or currency
    unit           text NOT NULL,                     -- of the sensitivities
    bump           float8 NOT NULL,                   -- 0.0001: zero rates, spreads + 1 bp; 0.01: the price of the currency + 1 %
    bucket_labels  text[] NOT NULL,                   -- pillars of a curve; the currency itself
    bucket_days    integer[] CHECK (cardinality(bucket_days) = cardinality(bucket_labels)),
    is_sparse      boolean NOT NULL DEFAULT false,
    PRIMARY KEY (run_no, factor_no),
    UNIQUE (run_no, kind, name)
);

-- Of a dense factor one number a bucket; of a sparse one the count of its pairs, then each pair (bucket number from 0, value).
ALTER TABLE position_result
    ADD COLUMN factor_nos smallint[],                 -- increasing
    ADD COLUMN sensitivities float8[];                -- the factors' numbers, one factor after the other

CREATE TABLE result_sensitivity (
    run_no         integer NOT NULL REFERENCES run ON DELETE CASCADE,
    book           text NOT NULL,
    product        text NOT NULL,
    factor_no      smallint NOT NULL,
    sensitivities  float8[] NOT NULL,
    PRIMARY KEY (run_no, book, product, factor_no)
);

-- The factors of every run. One of the version before has its discount curves, whose numbers are the curves', and then the currencies that
-- its results know.
CREATE VIEW factor AS
SELECT run_no, factor_no, kind, name, unit, bump, bucket_labels, bucket_days, is_sparse
  FROM run_factor
 UNION ALL
SELECT run.run_no, curve.curve_no, 'RATE', curve.name, 'base currency', 0.0001,
       curve.pillar_labels, curve.pillar_days, false
  FROM run
  JOIN market_curve curve ON curve.market_no = run.market_no AND curve.kind = 'discount'
 WHERE NOT EXISTS (SELECT FROM run_factor WHERE run_factor.run_no = run.run_no)
 UNION ALL
SELECT run.run_no,
       ((SELECT count(*) FROM market_curve curve WHERE curve.market_no = run.market_no AND curve.kind = 'discount')
        + row_number() OVER (PARTITION BY run.run_no ORDER BY currency.name) - 1)::smallint,
       'CURRENCY', currency.name, 'base currency', 0.01, ARRAY[currency.name], NULL, false
  FROM run
 CROSS JOIN LATERAL (
       SELECT curve.currency AS name FROM market_curve curve WHERE curve.market_no = run.market_no AND curve.kind = 'discount'
        UNION
       SELECT rollup.currency FROM result_fx_rollup rollup WHERE rollup.run_no = run.run_no
       ) currency
 WHERE currency.name <> run.base_currency
   AND NOT EXISTS (SELECT FROM run_factor WHERE run_factor.run_no = run.run_no);

-- What the version before stored of a position by leg, by factor. A leg's currency is its discount curve's; the one leg of a position that
-- a plain function valued has no curve, and its currency is the position's.
CREATE FUNCTION sensitivities_by_leg (
    of_run_no integer, of_position_no integer, leg_curve_nos smallint[], leg_fx_delta float8[], key_rate_dv01 float8[]
) RETURNS TABLE (factor_no smallint, bucket_no integer, sensitivity float8) LANGUAGE sql STABLE AS $$
    WITH leg AS (
         SELECT leg.number, curve.name AS curve, coalesce(curve.currency, position.currency) AS currency, leg.fx_delta, run.base_currency,
                cardinality(curve.pillar_labels) AS pillar_count,
                (sum(coalesce(cardinality(curve.pillar_labels), 0)) OVER (ORDER BY leg.number)
                 - coalesce(cardinality(curve.pillar_labels), 0))::integer AS pillars_before
           FROM unnest(leg_curve_nos, leg_fx_delta) WITH ORDINALITY AS leg (curve_no, fx_delta, number)
           JOIN run ON run.run_no = of_run_no
           JOIN position ON position.portfolio_no = run.portfolio_no AND position.position_no = of_position_no
           LEFT JOIN market_curve curve ON curve.market_no = run.market_no AND curve.kind = 'discount' AND curve.curve_no = leg.curve_no
    ), bucket AS (
         SELECT 'RATE' AS kind, leg.curve AS name, pillar.number - 1 AS bucket_no, leg.number AS leg,
                key_rate_dv01[leg.pillars_before + pillar.number] AS sensitivity
           FROM leg
          CROSS JOIN LATERAL generate_series(1, leg.pillar_count) AS pillar (number)
          WHERE key_rate_dv01 IS NOT NULL
          UNION ALL
         SELECT 'CURRENCY', leg.currency, 0, leg.number, leg.fx_delta
           FROM leg
          WHERE leg.fx_delta IS NOT NULL AND leg.currency <> leg.base_currency
    )
    SELECT factor.factor_no, bucket.bucket_no, sum(bucket.sensitivity ORDER BY bucket.leg)
      FROM bucket
      JOIN factor ON factor.run_no = of_run_no AND factor.kind = bucket.kind AND factor.name = bucket.name
     GROUP BY factor.factor_no, bucket.bucket_no
$$;

-- Rows of position_result, whichever version wrote them.
CREATE VIEW priced_position AS
SELECT storage_no, run_no, position_no, pv, pv_base, clean_price, dirty_price, accrued_interest, yield_to_maturity, macaulay_duration,
       modified_duration, convexity, z_spread, weighted_average_life, dv01, cs01, fx_delta, theta_1d,
       CASE WHEN leg_curve_nos IS NULL THEN factor_nos
            ELSE ARRAY(SELECT DISTINCT leg.factor_no
                         FROM sensitivities_by_leg(run_no, position_no, leg_curve_nos, leg_fx_delta, key_rate_dv01) leg
                        ORDER BY 1) END AS factor_nos,
       CASE WHEN leg_curve_nos IS NULL THEN sensitivities
            ELSE ARRAY(SELECT leg.sensitivity
                         FROM sensitivities_by_leg(run_no, position_no, leg_curve_nos, leg_fx_delta, key_rate_dv01) leg
                        ORDER BY leg.factor_no, leg.bucket_no) END AS sensitivities
  FROM position_result;

-- Sums of sensitivities, one row a bucket, whichever version wrote them.
CREATE VIEW sensitivity AS
SELECT sums.run_no, sums.book, sums.product, sums.factor_no, factor.kind, factor.name, (bucket.number - 1)::integer AS bucket_no,
       bucket.sensitivity
  FROM result_sensitivity sums
  JOIN run_factor factor ON factor.run_no = sums.run_no AND factor.factor_no = sums.factor_no AND NOT factor.is_sparse
 CROSS JOIN LATERAL unnest(sums.sensitivities) WITH ORDINALITY AS bucket (sensitivity, number)
 UNION ALL
SELECT sums.run_no, sums.book, sums.product, sums.factor_no, factor.kind, factor.name, sums.sensitivities[2 * pair.number]::integer,
       sums.sensitivities[2 * pair.number + 1]
  FROM result_sensitivity sums
  JOIN run_factor factor ON factor.run_no = sums.run_no AND factor.factor_no = sums.factor_no AND factor.is_sparse
 CROSS JOIN LATERAL generate_series(1, sums.sensitivities[1]::integer) AS pair (number)
 UNION ALL
SELECT ladder.run_no, ladder.book, ladder.product, factor.factor_no, factor.kind, factor.name, ladder.bucket_no, ladder.dv01
  FROM (
       SELECT rollup.run_no, rollup.book, rollup.product, rollup.curve_no, (pillar.number - 1)::integer AS bucket_no, pillar.dv01
         FROM result_ladder_rollup rollup
        CROSS JOIN LATERAL unnest(rollup.dv01) WITH ORDINALITY AS pillar (dv01, number)
        UNION ALL
       SELECT run_no, book, product, curve_no, pillar_no, dv01 FROM result_key_rate_rollup
       ) ladder
  JOIN run ON run.run_no = ladder.run_no
  JOIN market_curve curve ON curve.market_no = run.market_no AND curve.kind = 'discount' AND curve.curve_no = ladder.curve_no
  JOIN factor ON factor.run_no = ladder.run_no AND factor.kind = 'RATE' AND factor.name = curve.name
 UNION ALL
SELECT rollup.run_no, rollup.book, rollup.product, factor.factor_no, factor.kind, factor.name, 0, rollup.fx_delta
  FROM result_fx_rollup rollup
  JOIN factor ON factor.run_no = rollup.run_no AND factor.kind = 'CURRENCY' AND factor.name = rollup.currency;

-- Results with their names, as before, with sensitivities by factor in place of those by leg.
DROP VIEW result;
CREATE VIEW result AS
SELECT run.run_id, position.position_id, position.product, position.book, position.counterparty, position.currency, position.notional,
       r.pv, r.pv_base, r.clean_price, r.dirty_price, r.accrued_interest, r.yield_to_maturity, r.macaulay_duration, r.modified_duration,
       r.convexity, r.z_spread, r.weighted_average_life, r.dv01, r.cs01, r.fx_delta, r.theta_1d, r.factor_nos, r.sensitivities, r.position_no
  FROM run
  JOIN priced_position r ON r.storage_no = run.storage_no AND r.run_no = run.run_no
  JOIN position ON position.portfolio_no = run.portfolio_no AND position.position_no = r.position_no;
