-- An UPDATE of what runs are made from is refused, by hand too: a snapshot is deleted, or another one is stored beside it.

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % never change: store another snapshot', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END
$$;
CREATE TRIGGER market_snapshot_is_immutable BEFORE UPDATE ON market_snapshot EXECUTE FUNCTION refuse_change();
CREATE TRIGGER market_curve_is_immutable BEFORE UPDATE ON market_curve EXECUTE FUNCTION refuse_change();
CREATE TRIGGER portfolio_snapshot_is_immutable BEFORE UPDATE ON portfolio_snapshot EXECUTE FUNCTION refuse_change();
CREATE TRIGGER portfolio_batch_is_immutable BEFORE UPDATE ON portfolio_batch EXECUTE FUNCTION refuse_change();
CREATE TRIGGER position_is_immutable BEFORE UPDATE ON position EXECUTE FUNCTION refuse_change();
CREATE TRIGGER portfolio_requirement_is_immutable BEFORE UPDATE ON portfolio_requirement EXECUTE FUNCTION refuse_change();
CREATE TRIGGER market_history_is_immutable BEFORE UPDATE ON market_history EXECUTE FUNCTION refuse_change();
CREATE TRIGGER scenario_set_is_immutable BEFORE UPDATE ON scenario_set EXECUTE FUNCTION refuse_change();
