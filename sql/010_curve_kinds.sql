-- Curves of every kind, and requirements for what they and the indices of contracts name.

ALTER TABLE market_curve
    DROP CONSTRAINT market_curve_kind_check,
    ADD CONSTRAINT market_curve_kind_check CHECK (kind IN ('discount', 'spread', 'hazard', 'inflation'));

ALTER TABLE portfolio_requirement
    DROP CONSTRAINT portfolio_requirement_kind_check,
    ADD CONSTRAINT portfolio_requirement_kind_check CHECK (
        kind IN ('product', 'discount_curve', 'spread_curve', 'forecast_curve', 'credit_curve', 'currency', 'index', 'index_curve'));
