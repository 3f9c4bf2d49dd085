-- Measures of swaps, credit, inflation and commitments. Null where a product has none, and in rows of before. The version before goes on
-- writing sums without them: of its positions none has such a measure.

ALTER TABLE position_result
    ADD COLUMN gamma             float8,
    ADD COLUMN ie01              float8,
    ADD COLUMN par_rate          float8,
    ADD COLUMN breakeven_spread  float8,
    ADD COLUMN jump_to_default   float8,
    ADD COLUMN recovery01        float8,
    ADD COLUMN undrawn_amount    float8,
    ADD COLUMN index_ratio       float8;

ALTER TABLE result_rollup
    ADD COLUMN ie01             float8 NOT NULL DEFAULT 0,
    ADD COLUMN jump_to_default  float8 NOT NULL DEFAULT 0,
    ADD COLUMN recovery01       float8 NOT NULL DEFAULT 0,
    ADD COLUMN undrawn_amount   float8 NOT NULL DEFAULT 0;

DROP VIEW result;
DROP VIEW priced_position;

-- Rows of position_result, whichever version wrote them.
CREATE VIEW priced_position AS
SELECT storage_no, run_no, position_no, pv, pv_base, clean_price, dirty_price, accrued_interest, yield_to_maturity, macaulay_duration,
       modified_duration, convexity, z_spread, weighted_average_life, dv01, cs01, fx_delta, theta_1d,
       gamma, ie01, par_rate, breakeven_spread, jump_to_default, recovery01, undrawn_amount, index_ratio,
       CASE WHEN leg_curve_nos IS NULL THEN factor_nos
            ELSE ARRAY(SELECT DISTINCT leg.factor_no
                         FROM sensitivities_by_leg(run_no, position_no, leg_curve_nos, leg_fx_delta, key_rate_dv01) leg
                        ORDER BY 1) END AS factor_nos,
       CASE WHEN leg_curve_nos IS NULL THEN sensitivities
            ELSE ARRAY(SELECT leg.sensitivity
                         FROM sensitivities_by_leg(run_no, position_no, leg_curve_nos, leg_fx_delta, key_rate_dv01) leg
                        ORDER BY leg.factor_no, leg.bucket_no) END AS sensitivities
  FROM position_result;

-- Results with their names.
CREATE VIEW result AS
SELECT run.run_id, position.position_id, position.product, position.book, position.counterparty, position.currency, position.notional,
       r.pv, r.pv_base, r.clean_price, r.dirty_price, r.accrued_interest, r.yield_to_maturity, r.macaulay_duration, r.modified_duration,
       r.convexity, r.z_spread, r.weighted_average_life, r.dv01, r.cs01, r.fx_delta, r.theta_1d, r.gamma, r.ie01,
       r.par_rate, r.breakeven_spread, r.jump_to_default, r.recovery01, r.undrawn_amount, r.index_ratio,
       r.factor_nos, r.sensitivities, r.position_no
  FROM run
  JOIN priced_position r ON r.storage_no = run.storage_no AND r.run_no = run.run_no
  JOIN position ON position.portfolio_no = run.portfolio_no AND position.position_no = r.position_no;
