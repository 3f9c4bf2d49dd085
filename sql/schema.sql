-- What the migrations make, by pg_dump. Written by `python -m tests.fixtures.schema_dump`; never by hand.

CREATE TYPE run_state AS ENUM (
    'QUEUED',
    'RUNNING',
    'SUCCEEDED',
    'PARTIAL',
    'FAILED',
    'CANCELLED'
);

CREATE TYPE shard_state AS ENUM (
    'PENDING',
    'DONE',
    'SPLIT',
    'CANCELLED'
);

CREATE FUNCTION forget_names_of_snapshot() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
DECLARE
    old_no integer;
BEGIN
    EXECUTE format('SELECT ($1).%I', TG_ARGV[1]) INTO old_no USING OLD;
    DELETE FROM snapshot_name WHERE kind = TG_ARGV[0] AND snapshot_no = old_no;
    RETURN NULL;
END
$_$;

CREATE FUNCTION name_new_snapshot() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
DECLARE
    new_no integer;
BEGIN
    EXECUTE format('SELECT ($1).%I', TG_ARGV[1]) INTO new_no USING NEW;
    INSERT INTO snapshot_name (kind, name, version, snapshot_no, created_at)
    SELECT TG_ARGV[0], NEW.name, coalesce(max(version), 0) + 1, new_no, NEW.created_at
      FROM snapshot_name
     WHERE kind = TG_ARGV[0] AND name = NEW.name;
    RETURN NULL;
END
$_$;

CREATE FUNCTION note_claim() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.claimed_at = clock_timestamp();
    RETURN NEW;
END
$$;

CREATE FUNCTION refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'rows of % never change: store another snapshot', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END
$$;

CREATE FUNCTION run_state_edges() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF OLD.state IN ('SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED') THEN
        RAISE EXCEPTION 'run % is % and cannot change', OLD.run_id, OLD.state USING ERRCODE = 'check_violation';
    END IF;
    IF (OLD.state, NEW.state) IN (('RUNNING', 'QUEUED'), ('QUEUED', 'SUCCEEDED'), ('QUEUED', 'PARTIAL')) THEN
        RAISE EXCEPTION 'run % cannot go from % to %', OLD.run_id, OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION sensitivities_by_leg(of_run_no integer, of_position_no integer, leg_curve_nos smallint[], leg_fx_delta double precision[], key_rate_dv01 double precision[]) RETURNS TABLE(factor_no smallint, bucket_no integer, sensitivity double precision)
    LANGUAGE sql STABLE
    AS $$
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

CREATE TABLE market_curve (
    market_no integer NOT NULL,
    kind text NOT NULL,
    curve_no smallint NOT NULL,
    name text NOT NULL,
    currency text NOT NULL,
    pillar_labels text[] NOT NULL,
    pillar_days integer[] NOT NULL,
    zero_rates double precision[] NOT NULL,
    CONSTRAINT market_curve_kind_check CHECK ((kind = ANY (ARRAY['discount'::text, 'spread'::text, 'hazard'::text, 'inflation'::text])))
);

CREATE TABLE result_fx_rollup (
    run_no integer NOT NULL,
    book text NOT NULL,
    product text NOT NULL,
    currency text NOT NULL,
    fx_delta double precision NOT NULL
);

CREATE TABLE run (
    run_no integer NOT NULL,
    run_id text NOT NULL,
    name text NOT NULL,
    state run_state DEFAULT 'QUEUED'::run_state NOT NULL,
    executor text DEFAULT 'pool'::text NOT NULL,
    market_no integer NOT NULL,
    portfolio_no integer NOT NULL,
    base_currency text NOT NULL,
    measures text[] NOT NULL,
    rows_per_shard integer NOT NULL,
    storage_no integer NOT NULL,
    position_count integer NOT NULL,
    ok_count integer DEFAULT 0 NOT NULL,
    failed_count integer DEFAULT 0 NOT NULL,
    cancelled_count integer DEFAULT 0 NOT NULL,
    event_seq integer DEFAULT 0 NOT NULL,
    preflight jsonb NOT NULL,
    manifest jsonb,
    idempotency_key text,
    request_fingerprint bytea,
    error_code text,
    error_detail text,
    owner uuid,
    epoch integer DEFAULT 0 NOT NULL,
    lease_until timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    scenario_set_no integer,
    vectors text DEFAULT 'none'::text NOT NULL,
    failure_policy text DEFAULT 'drop_position'::text NOT NULL,
    traceparent text,
    carried_from_run_no integer,
    claimed_at timestamp with time zone,
    CONSTRAINT run_cancelled_count_check CHECK ((cancelled_count >= 0)),
    CONSTRAINT run_check CHECK (((finished_at IS NOT NULL) = (state = ANY (ARRAY['SUCCEEDED'::run_state, 'PARTIAL'::run_state, 'FAILED'::run_state, 'CANCELLED'::run_state])))),
    CONSTRAINT run_check1 CHECK (((storage_no = 0) OR (storage_no = run_no))),
    CONSTRAINT run_check2 CHECK ((((ok_count + failed_count) + cancelled_count) <= position_count)),
    CONSTRAINT run_check3 CHECK (((state <> ALL (ARRAY['SUCCEEDED'::run_state, 'PARTIAL'::run_state])) OR ((ok_count + failed_count) = position_count))),
    CONSTRAINT run_check4 CHECK (((state <> 'SUCCEEDED'::run_state) OR (failed_count = 0))),
    CONSTRAINT run_check5 CHECK (((state <> 'PARTIAL'::run_state) OR (failed_count > 0))),
    CONSTRAINT run_check6 CHECK (((state <> 'CANCELLED'::run_state) OR (((ok_count + failed_count) + cancelled_count) = position_count))),
    CONSTRAINT run_check7 CHECK (((state <> 'FAILED'::run_state) OR (error_code IS NOT NULL))),
    CONSTRAINT run_check8 CHECK (((scenario_set_no IS NOT NULL) OR (vectors = 'none'::text))),
    CONSTRAINT run_executor_check CHECK ((executor = ANY (ARRAY['pool'::text, 'job'::text]))),
    CONSTRAINT run_failed_count_check CHECK ((failed_count >= 0)),
    CONSTRAINT run_failure_policy_check CHECK ((failure_policy = ANY (ARRAY['drop_position'::text, 'drop_scenario'::text]))),
    CONSTRAINT run_ok_count_check CHECK ((ok_count >= 0)),
    CONSTRAINT run_position_count_check CHECK ((position_count > 0)),
    CONSTRAINT run_rows_per_shard_check CHECK ((rows_per_shard > 0)),
    CONSTRAINT run_traceparent_check CHECK ((length(traceparent) <= 55)),
    CONSTRAINT run_vectors_check CHECK ((vectors = ANY (ARRAY['none'::text, 'group'::text, 'position'::text])))
)
WITH (fillfactor='50');

CREATE TABLE run_factor (
    run_no integer NOT NULL,
    factor_no smallint NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    unit text NOT NULL,
    bump double precision NOT NULL,
    bucket_labels text[] NOT NULL,
    bucket_days integer[],
    is_sparse boolean DEFAULT false NOT NULL,
    CONSTRAINT run_factor_check CHECK ((cardinality(bucket_days) = cardinality(bucket_labels))),
    CONSTRAINT run_factor_factor_no_check CHECK ((factor_no >= 0))
);

CREATE VIEW factor AS
 SELECT run_factor.run_no,
    run_factor.factor_no,
    run_factor.kind,
    run_factor.name,
    run_factor.unit,
    run_factor.bump,
    run_factor.bucket_labels,
    run_factor.bucket_days,
    run_factor.is_sparse
   FROM run_factor
UNION ALL
 SELECT run.run_no,
    curve.curve_no AS factor_no,
    'RATE'::text AS kind,
    curve.name,
    'base currency'::text AS unit,
    0.0001 AS bump,
    curve.pillar_labels AS bucket_labels,
    curve.pillar_days AS bucket_days,
    false AS is_sparse
   FROM (run
     JOIN market_curve curve ON (((curve.market_no = run.market_no) AND (curve.kind = 'discount'::text))))
  WHERE (NOT (EXISTS ( SELECT
           FROM run_factor
          WHERE (run_factor.run_no = run.run_no))))
UNION ALL
 SELECT run.run_no,
    (((( SELECT count(*) AS count
           FROM market_curve curve
          WHERE ((curve.market_no = run.market_no) AND (curve.kind = 'discount'::text))) + row_number() OVER (PARTITION BY run.run_no ORDER BY currency.name)) - 1))::smallint AS factor_no,
    'CURRENCY'::text AS kind,
    currency.name,
    'base currency'::text AS unit,
    0.01 AS bump,
    ARRAY[currency.name] AS bucket_labels,
    NULL::integer[] AS bucket_days,
    false AS is_sparse
   FROM (run
     CROSS JOIN LATERAL ( SELECT curve.currency AS name
           FROM market_curve curve
          WHERE ((curve.market_no = run.market_no) AND (curve.kind = 'discount'::text))
        UNION
         SELECT rollup.currency
           FROM result_fx_rollup rollup
          WHERE (rollup.run_no = run.run_no)) currency)
  WHERE ((currency.name <> run.base_currency) AND (NOT (EXISTS ( SELECT
           FROM run_factor
          WHERE (run_factor.run_no = run.run_no)))));

CREATE TABLE "position" (
    portfolio_no integer NOT NULL,
    position_no integer NOT NULL,
    position_id text NOT NULL,
    product text NOT NULL,
    book text NOT NULL,
    counterparty text NOT NULL,
    currency text NOT NULL,
    notional double precision NOT NULL
);

CREATE TABLE position_failure (
    run_no integer NOT NULL,
    position_no integer NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    remedy text NOT NULL
);

CREATE VIEW failure AS
 SELECT run.run_id,
    "position".position_id,
    "position".product,
    "position".book,
    "position".counterparty,
    "position".currency,
    "position".notional,
    f.code,
    f.message,
    f.remedy,
    f.position_no
   FROM ((run
     JOIN position_failure f USING (run_no))
     JOIN "position" ON ((("position".portfolio_no = run.portfolio_no) AND ("position".position_no = f.position_no))));

CREATE TABLE fixings_snapshot (
    fixings_no integer NOT NULL,
    fixings_id text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    content_hash bytea NOT NULL,
    indices text[] NOT NULL,
    first_date date NOT NULL,
    last_date date NOT NULL,
    row_count integer NOT NULL,
    payload bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT fixings_snapshot_check CHECK ((last_date >= first_date)),
    CONSTRAINT fixings_snapshot_content_hash_check CHECK ((length(content_hash) = 32)),
    CONSTRAINT fixings_snapshot_row_count_check CHECK ((row_count >= 1)),
    CONSTRAINT fixings_snapshot_version_check CHECK ((version >= 1))
);
ALTER TABLE ONLY fixings_snapshot ALTER COLUMN payload SET STORAGE EXTERNAL;

ALTER TABLE fixings_snapshot ALTER COLUMN fixings_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME fixings_snapshot_fixings_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE hierarchy (
    hierarchy_no integer NOT NULL,
    hierarchy_id text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    content_hash bytea NOT NULL,
    dimension text NOT NULL,
    document json NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT hierarchy_content_hash_check CHECK ((length(content_hash) = 32)),
    CONSTRAINT hierarchy_dimension_check CHECK ((dimension = ANY (ARRAY['book'::text, 'product'::text, 'currency'::text, 'counterparty'::text]))),
    CONSTRAINT hierarchy_version_check CHECK ((version >= 1))
);

ALTER TABLE hierarchy ALTER COLUMN hierarchy_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME hierarchy_hierarchy_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE market_history (
    history_no integer NOT NULL,
    history_id text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    content_hash bytea NOT NULL,
    factors text[] NOT NULL,
    first_date date NOT NULL,
    last_date date NOT NULL,
    row_count integer NOT NULL,
    payload bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT market_history_check CHECK ((last_date > first_date)),
    CONSTRAINT market_history_content_hash_check CHECK ((length(content_hash) = 32)),
    CONSTRAINT market_history_row_count_check CHECK ((row_count >= 2)),
    CONSTRAINT market_history_version_check CHECK ((version >= 1))
);
ALTER TABLE ONLY market_history ALTER COLUMN payload SET STORAGE EXTERNAL;

ALTER TABLE market_history ALTER COLUMN history_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME market_history_history_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE market_snapshot (
    market_no integer NOT NULL,
    market_id text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    as_of date NOT NULL,
    content_hash bytea NOT NULL,
    document json NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    fixings_id text,
    CONSTRAINT market_snapshot_content_hash_check CHECK ((length(content_hash) = 32)),
    CONSTRAINT market_snapshot_version_check CHECK ((version >= 1))
);

ALTER TABLE market_snapshot ALTER COLUMN market_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME market_snapshot_market_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE portfolio_batch (
    portfolio_no integer NOT NULL,
    batch_no integer NOT NULL,
    product text NOT NULL,
    first_position_no integer NOT NULL,
    row_count integer NOT NULL,
    payload bytea NOT NULL,
    CONSTRAINT portfolio_batch_row_count_check CHECK ((row_count > 0))
);
ALTER TABLE ONLY portfolio_batch ALTER COLUMN payload SET STORAGE EXTERNAL;

CREATE TABLE portfolio_requirement (
    portfolio_no integer NOT NULL,
    product text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    currency text NOT NULL,
    position_count integer NOT NULL,
    gross_notional double precision NOT NULL,
    CONSTRAINT portfolio_requirement_kind_check CHECK ((kind = ANY (ARRAY['product'::text, 'discount_curve'::text, 'spread_curve'::text, 'forecast_curve'::text, 'credit_curve'::text, 'currency'::text, 'index'::text, 'index_curve'::text]))),
    CONSTRAINT portfolio_requirement_position_count_check CHECK ((position_count > 0))
);

CREATE TABLE portfolio_snapshot (
    portfolio_no integer NOT NULL,
    portfolio_id text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    content_hash bytea NOT NULL,
    position_count integer NOT NULL,
    rejected_count integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT portfolio_snapshot_content_hash_check CHECK ((length(content_hash) = 32)),
    CONSTRAINT portfolio_snapshot_position_count_check CHECK ((position_count > 0)),
    CONSTRAINT portfolio_snapshot_rejected_count_check CHECK ((rejected_count >= 0)),
    CONSTRAINT portfolio_snapshot_version_check CHECK ((version >= 1))
);

ALTER TABLE portfolio_snapshot ALTER COLUMN portfolio_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME portfolio_snapshot_portfolio_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE position_result (
    storage_no integer NOT NULL,
    run_no integer NOT NULL,
    position_no integer NOT NULL,
    pv double precision NOT NULL,
    pv_base double precision NOT NULL,
    clean_price double precision,
    dirty_price double precision,
    accrued_interest double precision,
    yield_to_maturity double precision,
    macaulay_duration double precision,
    modified_duration double precision,
    convexity double precision,
    z_spread double precision,
    weighted_average_life double precision,
    dv01 double precision,
    cs01 double precision,
    fx_delta double precision,
    theta_1d double precision,
    leg_curve_nos smallint[],
    leg_fx_delta double precision[],
    key_rate_dv01 double precision[],
    factor_nos smallint[],
    sensitivities double precision[],
    gamma double precision,
    ie01 double precision,
    par_rate double precision,
    breakeven_spread double precision,
    jump_to_default double precision,
    recovery01 double precision,
    undrawn_amount double precision,
    index_ratio double precision
)
PARTITION BY LIST (storage_no);

CREATE TABLE position_result_0 (
    storage_no integer CONSTRAINT position_result_storage_no_not_null NOT NULL,
    run_no integer CONSTRAINT position_result_run_no_not_null NOT NULL,
    position_no integer CONSTRAINT position_result_position_no_not_null NOT NULL,
    pv double precision CONSTRAINT position_result_pv_not_null NOT NULL,
    pv_base double precision CONSTRAINT position_result_pv_base_not_null NOT NULL,
    clean_price double precision,
    dirty_price double precision,
    accrued_interest double precision,
    yield_to_maturity double precision,
    macaulay_duration double precision,
    modified_duration double precision,
    convexity double precision,
    z_spread double precision,
    weighted_average_life double precision,
    dv01 double precision,
    cs01 double precision,
    fx_delta double precision,
    theta_1d double precision,
    leg_curve_nos smallint[],
    leg_fx_delta double precision[],
    key_rate_dv01 double precision[],
    factor_nos smallint[],
    sensitivities double precision[],
    gamma double precision,
    ie01 double precision,
    par_rate double precision,
    breakeven_spread double precision,
    jump_to_default double precision,
    recovery01 double precision,
    undrawn_amount double precision,
    index_ratio double precision
);

CREATE TABLE position_scenario_failure (
    run_no integer NOT NULL,
    position_no integer NOT NULL,
    first_scenario_no integer NOT NULL,
    scenario_count integer NOT NULL,
    CONSTRAINT position_scenario_failure_first_scenario_no_check CHECK ((first_scenario_no >= 0)),
    CONSTRAINT position_scenario_failure_scenario_count_check CHECK ((scenario_count > 0))
);

CREATE TABLE position_vector (
    run_no integer NOT NULL,
    first_position_no integer NOT NULL,
    row_count integer NOT NULL,
    payload bytea NOT NULL,
    CONSTRAINT position_vector_check CHECK (((length(payload) % (8 * row_count)) = 0)),
    CONSTRAINT position_vector_row_count_check CHECK ((row_count > 0))
);
ALTER TABLE ONLY position_vector ALTER COLUMN payload SET STORAGE EXTERNAL;

CREATE VIEW priced_position AS
 SELECT storage_no,
    run_no,
    position_no,
    pv,
    pv_base,
    clean_price,
    dirty_price,
    accrued_interest,
    yield_to_maturity,
    macaulay_duration,
    modified_duration,
    convexity,
    z_spread,
    weighted_average_life,
    dv01,
    cs01,
    fx_delta,
    theta_1d,
    gamma,
    ie01,
    par_rate,
    breakeven_spread,
    jump_to_default,
    recovery01,
    undrawn_amount,
    index_ratio,
        CASE
            WHEN (leg_curve_nos IS NULL) THEN factor_nos
            ELSE ARRAY( SELECT DISTINCT leg.factor_no
               FROM sensitivities_by_leg(position_result.run_no, position_result.position_no, position_result.leg_curve_nos, position_result.leg_fx_delta, position_result.key_rate_dv01) leg(factor_no, bucket_no, sensitivity)
              ORDER BY leg.factor_no)
        END AS factor_nos,
        CASE
            WHEN (leg_curve_nos IS NULL) THEN sensitivities
            ELSE ARRAY( SELECT leg.sensitivity
               FROM sensitivities_by_leg(position_result.run_no, position_result.position_no, position_result.leg_curve_nos, position_result.leg_fx_delta, position_result.key_rate_dv01) leg(factor_no, bucket_no, sensitivity)
              ORDER BY leg.factor_no, leg.bucket_no)
        END AS sensitivities
   FROM position_result;

CREATE VIEW result AS
 SELECT run.run_id,
    "position".position_id,
    "position".product,
    "position".book,
    "position".counterparty,
    "position".currency,
    "position".notional,
    r.pv,
    r.pv_base,
    r.clean_price,
    r.dirty_price,
    r.accrued_interest,
    r.yield_to_maturity,
    r.macaulay_duration,
    r.modified_duration,
    r.convexity,
    r.z_spread,
    r.weighted_average_life,
    r.dv01,
    r.cs01,
    r.fx_delta,
    r.theta_1d,
    r.gamma,
    r.ie01,
    r.par_rate,
    r.breakeven_spread,
    r.jump_to_default,
    r.recovery01,
    r.undrawn_amount,
    r.index_ratio,
    r.factor_nos,
    r.sensitivities,
    r.position_no
   FROM ((run
     JOIN priced_position r ON (((r.storage_no = run.storage_no) AND (r.run_no = run.run_no))))
     JOIN "position" ON ((("position".portfolio_no = run.portfolio_no) AND ("position".position_no = r.position_no))));

CREATE TABLE result_key_rate_rollup (
    run_no integer NOT NULL,
    book text NOT NULL,
    product text NOT NULL,
    curve_no smallint NOT NULL,
    pillar_no smallint NOT NULL,
    dv01 double precision NOT NULL
);

CREATE TABLE result_ladder_rollup (
    run_no integer NOT NULL,
    book text NOT NULL,
    product text NOT NULL,
    curve_no smallint NOT NULL,
    dv01 double precision[] NOT NULL
);

CREATE TABLE result_rollup (
    run_no integer NOT NULL,
    book text NOT NULL,
    product text NOT NULL,
    currency text NOT NULL,
    ok_count integer NOT NULL,
    failed_count integer NOT NULL,
    pv double precision NOT NULL,
    pv_base double precision NOT NULL,
    dv01 double precision NOT NULL,
    cs01 double precision NOT NULL,
    fx_delta double precision NOT NULL,
    theta_1d double precision NOT NULL,
    ie01 double precision DEFAULT 0 NOT NULL,
    jump_to_default double precision DEFAULT 0 NOT NULL,
    recovery01 double precision DEFAULT 0 NOT NULL,
    undrawn_amount double precision DEFAULT 0 NOT NULL
);

CREATE TABLE result_sensitivity (
    run_no integer NOT NULL,
    book text NOT NULL,
    product text NOT NULL,
    factor_no smallint NOT NULL,
    sensitivities double precision[] NOT NULL
);

CREATE TABLE run_event (
    run_no integer NOT NULL,
    seq integer CONSTRAINT run_event_seq_not_null1 NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    kind text NOT NULL,
    data jsonb NOT NULL
);

ALTER TABLE run ALTER COLUMN run_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME run_run_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE run_shard (
    run_no integer NOT NULL,
    shard_no integer NOT NULL,
    product text NOT NULL,
    first_position_no integer NOT NULL,
    row_count integer NOT NULL,
    state shard_state DEFAULT 'PENDING'::shard_state NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    epoch integer,
    ok_count integer,
    failed_count integer,
    exact_sums bytea,
    seconds jsonb,
    finished_at timestamp with time zone,
    carried int4multirange DEFAULT '{}'::int4multirange NOT NULL,
    carried_count integer DEFAULT 0 NOT NULL,
    CONSTRAINT run_shard_check CHECK (((state = 'DONE'::shard_state) = ((ok_count IS NOT NULL) AND (failed_count IS NOT NULL) AND (epoch IS NOT NULL)))),
    CONSTRAINT run_shard_check1 CHECK (((state <> 'DONE'::shard_state) OR ((ok_count + failed_count) = row_count))),
    CONSTRAINT run_shard_check2 CHECK (((carried_count >= 0) AND (carried_count <= row_count))),
    CONSTRAINT run_shard_row_count_check CHECK ((row_count > 0))
);

CREATE TABLE scenario_failure (
    run_no integer NOT NULL,
    scenario_no integer NOT NULL,
    position_count integer NOT NULL,
    example_position_no integer NOT NULL,
    CONSTRAINT scenario_failure_position_count_check CHECK ((position_count > 0)),
    CONSTRAINT scenario_failure_scenario_no_check CHECK ((scenario_no >= 0))
);

CREATE TABLE scenario_set (
    scenario_set_no integer NOT NULL,
    scenario_set_id text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    content_hash bytea NOT NULL,
    kind text NOT NULL,
    definition json NOT NULL,
    market_id text,
    scenario_count integer NOT NULL,
    factor_count integer NOT NULL,
    payload bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT scenario_set_content_hash_check CHECK ((length(content_hash) = 32)),
    CONSTRAINT scenario_set_factor_count_check CHECK ((factor_count > 0)),
    CONSTRAINT scenario_set_kind_check CHECK ((kind = ANY (ARRAY['stress'::text, 'historical'::text, 'monte_carlo'::text, 'matrix'::text]))),
    CONSTRAINT scenario_set_scenario_count_check CHECK ((scenario_count > 0)),
    CONSTRAINT scenario_set_version_check CHECK ((version >= 1))
);
ALTER TABLE ONLY scenario_set ALTER COLUMN payload SET STORAGE EXTERNAL;

ALTER TABLE scenario_set ALTER COLUMN scenario_set_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME scenario_set_scenario_set_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE scenario_vector (
    run_no integer NOT NULL,
    family text NOT NULL,
    book text NOT NULL,
    product text NOT NULL,
    currency text NOT NULL,
    counterparty text NOT NULL,
    ok_count integer NOT NULL,
    dropped_count integer NOT NULL,
    base_pv double precision NOT NULL,
    pnl bytea NOT NULL,
    CONSTRAINT scenario_vector_check CHECK (((family = 'book'::text) = (counterparty = ''::text))),
    CONSTRAINT scenario_vector_check1 CHECK (((family = 'counterparty'::text) = (book = ''::text))),
    CONSTRAINT scenario_vector_dropped_count_check CHECK ((dropped_count >= 0)),
    CONSTRAINT scenario_vector_family_check CHECK ((family = ANY (ARRAY['book'::text, 'counterparty'::text]))),
    CONSTRAINT scenario_vector_ok_count_check CHECK ((ok_count >= 0)),
    CONSTRAINT scenario_vector_pnl_check CHECK (((length(pnl) % 8) = 0))
);
ALTER TABLE ONLY scenario_vector ALTER COLUMN pnl SET STORAGE EXTERNAL;

CREATE TABLE schema_migration (
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE VIEW sensitivity AS
 SELECT sums.run_no,
    sums.book,
    sums.product,
    sums.factor_no,
    factor.kind,
    factor.name,
    ((bucket.number - 1))::integer AS bucket_no,
    bucket.sensitivity
   FROM ((result_sensitivity sums
     JOIN run_factor factor ON (((factor.run_no = sums.run_no) AND (factor.factor_no = sums.factor_no) AND (NOT factor.is_sparse))))
     CROSS JOIN LATERAL unnest(sums.sensitivities) WITH ORDINALITY bucket(sensitivity, number))
UNION ALL
 SELECT sums.run_no,
    sums.book,
    sums.product,
    sums.factor_no,
    factor.kind,
    factor.name,
    (sums.sensitivities[(2 * pair.number)])::integer AS bucket_no,
    sums.sensitivities[((2 * pair.number) + 1)] AS sensitivity
   FROM ((result_sensitivity sums
     JOIN run_factor factor ON (((factor.run_no = sums.run_no) AND (factor.factor_no = sums.factor_no) AND factor.is_sparse)))
     CROSS JOIN LATERAL generate_series(1, (sums.sensitivities[1])::integer) pair(number))
UNION ALL
 SELECT ladder.run_no,
    ladder.book,
    ladder.product,
    factor.factor_no,
    factor.kind,
    factor.name,
    ladder.bucket_no,
    ladder.dv01 AS sensitivity
   FROM (((( SELECT rollup.run_no,
            rollup.book,
            rollup.product,
            rollup.curve_no,
            ((pillar.number - 1))::integer AS bucket_no,
            pillar.dv01
           FROM (result_ladder_rollup rollup
             CROSS JOIN LATERAL unnest(rollup.dv01) WITH ORDINALITY pillar(dv01, number))
        UNION ALL
         SELECT result_key_rate_rollup.run_no,
            result_key_rate_rollup.book,
            result_key_rate_rollup.product,
            result_key_rate_rollup.curve_no,
            result_key_rate_rollup.pillar_no,
            result_key_rate_rollup.dv01
           FROM result_key_rate_rollup) ladder
     JOIN run ON ((run.run_no = ladder.run_no)))
     JOIN market_curve curve ON (((curve.market_no = run.market_no) AND (curve.kind = 'discount'::text) AND (curve.curve_no = ladder.curve_no))))
     JOIN factor ON (((factor.run_no = ladder.run_no) AND (factor.kind = 'RATE'::text) AND (factor.name = curve.name))))
UNION ALL
 SELECT rollup.run_no,
    rollup.book,
    rollup.product,
    factor.factor_no,
    factor.kind,
    factor.name,
    0 AS bucket_no,
    rollup.fx_delta AS sensitivity
   FROM (result_fx_rollup rollup
     JOIN factor ON (((factor.run_no = rollup.run_no) AND (factor.kind = 'CURRENCY'::text) AND (factor.name = rollup.currency))));

CREATE TABLE snapshot_name (
    upload_no bigint NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    snapshot_no integer NOT NULL,
    reader_version integer,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT snapshot_name_version_check CHECK ((version >= 1))
);

ALTER TABLE snapshot_name ALTER COLUMN upload_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME snapshot_name_upload_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY position_result ATTACH PARTITION position_result_0 FOR VALUES IN (0);

ALTER TABLE ONLY fixings_snapshot
    ADD CONSTRAINT fixings_snapshot_content_hash_key UNIQUE (content_hash);

ALTER TABLE ONLY fixings_snapshot
    ADD CONSTRAINT fixings_snapshot_fixings_id_key UNIQUE (fixings_id);

ALTER TABLE ONLY fixings_snapshot
    ADD CONSTRAINT fixings_snapshot_name_version_key UNIQUE (name, version);

ALTER TABLE ONLY fixings_snapshot
    ADD CONSTRAINT fixings_snapshot_pkey PRIMARY KEY (fixings_no);

ALTER TABLE ONLY hierarchy
    ADD CONSTRAINT hierarchy_content_hash_key UNIQUE (content_hash);

ALTER TABLE ONLY hierarchy
    ADD CONSTRAINT hierarchy_hierarchy_id_key UNIQUE (hierarchy_id);

ALTER TABLE ONLY hierarchy
    ADD CONSTRAINT hierarchy_name_version_key UNIQUE (name, version);

ALTER TABLE ONLY hierarchy
    ADD CONSTRAINT hierarchy_pkey PRIMARY KEY (hierarchy_no);

ALTER TABLE ONLY market_curve
    ADD CONSTRAINT market_curve_market_no_kind_name_key UNIQUE (market_no, kind, name);

ALTER TABLE ONLY market_curve
    ADD CONSTRAINT market_curve_pkey PRIMARY KEY (market_no, kind, curve_no);

ALTER TABLE ONLY market_history
    ADD CONSTRAINT market_history_content_hash_key UNIQUE (content_hash);

ALTER TABLE ONLY market_history
    ADD CONSTRAINT market_history_history_id_key UNIQUE (history_id);

ALTER TABLE ONLY market_history
    ADD CONSTRAINT market_history_name_version_key UNIQUE (name, version);

ALTER TABLE ONLY market_history
    ADD CONSTRAINT market_history_pkey PRIMARY KEY (history_no);

ALTER TABLE ONLY market_snapshot
    ADD CONSTRAINT market_snapshot_content_hash_key UNIQUE (content_hash);

ALTER TABLE ONLY market_snapshot
    ADD CONSTRAINT market_snapshot_market_id_key UNIQUE (market_id);

ALTER TABLE ONLY market_snapshot
    ADD CONSTRAINT market_snapshot_name_version_key UNIQUE (name, version);

ALTER TABLE ONLY market_snapshot
    ADD CONSTRAINT market_snapshot_pkey PRIMARY KEY (market_no);

ALTER TABLE ONLY portfolio_batch
    ADD CONSTRAINT portfolio_batch_pkey PRIMARY KEY (portfolio_no, batch_no);

ALTER TABLE ONLY portfolio_requirement
    ADD CONSTRAINT portfolio_requirement_pkey PRIMARY KEY (portfolio_no, product, kind, name, currency);

ALTER TABLE ONLY portfolio_snapshot
    ADD CONSTRAINT portfolio_snapshot_content_hash_key UNIQUE (content_hash);

ALTER TABLE ONLY portfolio_snapshot
    ADD CONSTRAINT portfolio_snapshot_name_version_key UNIQUE (name, version);

ALTER TABLE ONLY portfolio_snapshot
    ADD CONSTRAINT portfolio_snapshot_pkey PRIMARY KEY (portfolio_no);

ALTER TABLE ONLY portfolio_snapshot
    ADD CONSTRAINT portfolio_snapshot_portfolio_id_key UNIQUE (portfolio_id);

ALTER TABLE ONLY position_failure
    ADD CONSTRAINT position_failure_pkey PRIMARY KEY (run_no, position_no);

ALTER TABLE ONLY "position"
    ADD CONSTRAINT position_pkey PRIMARY KEY (portfolio_no, position_no);

ALTER TABLE ONLY position_scenario_failure
    ADD CONSTRAINT position_scenario_failure_pkey PRIMARY KEY (run_no, position_no);

ALTER TABLE ONLY position_vector
    ADD CONSTRAINT position_vector_pkey PRIMARY KEY (run_no, first_position_no);

ALTER TABLE ONLY result_fx_rollup
    ADD CONSTRAINT result_fx_rollup_pkey PRIMARY KEY (run_no, book, product, currency);

ALTER TABLE ONLY result_key_rate_rollup
    ADD CONSTRAINT result_key_rate_rollup_pkey PRIMARY KEY (run_no, book, product, curve_no, pillar_no);

ALTER TABLE ONLY result_ladder_rollup
    ADD CONSTRAINT result_ladder_rollup_pkey PRIMARY KEY (run_no, book, product, curve_no);

ALTER TABLE ONLY result_rollup
    ADD CONSTRAINT result_rollup_pkey PRIMARY KEY (run_no, book, product, currency);

ALTER TABLE ONLY result_sensitivity
    ADD CONSTRAINT result_sensitivity_pkey PRIMARY KEY (run_no, book, product, factor_no);

ALTER TABLE ONLY run_event
    ADD CONSTRAINT run_event_pkey PRIMARY KEY (run_no, seq);

ALTER TABLE ONLY run_factor
    ADD CONSTRAINT run_factor_pkey PRIMARY KEY (run_no, factor_no);

ALTER TABLE ONLY run_factor
    ADD CONSTRAINT run_factor_run_no_kind_name_key UNIQUE (run_no, kind, name);

ALTER TABLE ONLY run
    ADD CONSTRAINT run_idempotency_key_key UNIQUE (idempotency_key);

ALTER TABLE ONLY run
    ADD CONSTRAINT run_pkey PRIMARY KEY (run_no);

ALTER TABLE ONLY run
    ADD CONSTRAINT run_run_id_key UNIQUE (run_id);

ALTER TABLE ONLY run_shard
    ADD CONSTRAINT run_shard_pkey PRIMARY KEY (run_no, shard_no);

ALTER TABLE ONLY scenario_failure
    ADD CONSTRAINT scenario_failure_pkey PRIMARY KEY (run_no, scenario_no);

ALTER TABLE ONLY scenario_set
    ADD CONSTRAINT scenario_set_content_hash_key UNIQUE (content_hash);

ALTER TABLE ONLY scenario_set
    ADD CONSTRAINT scenario_set_name_version_key UNIQUE (name, version);

ALTER TABLE ONLY scenario_set
    ADD CONSTRAINT scenario_set_pkey PRIMARY KEY (scenario_set_no);

ALTER TABLE ONLY scenario_set
    ADD CONSTRAINT scenario_set_scenario_set_id_key UNIQUE (scenario_set_id);

ALTER TABLE ONLY scenario_vector
    ADD CONSTRAINT scenario_vector_pkey PRIMARY KEY (run_no, family, book, product, currency, counterparty);

ALTER TABLE ONLY schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (name);

ALTER TABLE ONLY snapshot_name
    ADD CONSTRAINT snapshot_name_kind_name_version_key UNIQUE (kind, name, version);

ALTER TABLE ONLY snapshot_name
    ADD CONSTRAINT snapshot_name_pkey PRIMARY KEY (upload_no);

CREATE INDEX market_snapshot_by_fixings ON market_snapshot USING btree (fixings_id) WHERE (fixings_id IS NOT NULL);

CREATE UNIQUE INDEX position_by_id ON "position" USING btree (portfolio_no, position_id);

CREATE UNIQUE INDEX position_result_0_key ON position_result_0 USING btree (run_no, position_no);

CREATE INDEX run_by_market ON run USING btree (market_no);

CREATE INDEX run_by_portfolio ON run USING btree (portfolio_no);

CREATE INDEX run_by_scenario_set ON run USING btree (scenario_set_no) WHERE (scenario_set_no IS NOT NULL);

CREATE INDEX run_carried_from ON run USING btree (carried_from_run_no) WHERE (carried_from_run_no IS NOT NULL);

CREATE INDEX run_claimable ON run USING btree (run_no) WHERE (state = ANY (ARRAY['QUEUED'::run_state, 'RUNNING'::run_state]));

CREATE INDEX snapshot_name_by_snapshot ON snapshot_name USING btree (kind, snapshot_no, upload_no);

CREATE TRIGGER fixings_snapshot_is_forgotten AFTER DELETE ON fixings_snapshot FOR EACH ROW EXECUTE FUNCTION forget_names_of_snapshot('fixing table', 'fixings_no');

CREATE TRIGGER fixings_snapshot_is_immutable BEFORE UPDATE ON fixings_snapshot FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER fixings_snapshot_is_named AFTER INSERT ON fixings_snapshot FOR EACH ROW EXECUTE FUNCTION name_new_snapshot('fixing table', 'fixings_no');

CREATE TRIGGER hierarchy_is_forgotten AFTER DELETE ON hierarchy FOR EACH ROW EXECUTE FUNCTION forget_names_of_snapshot('hierarchy', 'hierarchy_no');

CREATE TRIGGER hierarchy_is_named AFTER INSERT ON hierarchy FOR EACH ROW EXECUTE FUNCTION name_new_snapshot('hierarchy', 'hierarchy_no');

CREATE TRIGGER market_curve_is_immutable BEFORE UPDATE ON market_curve FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER market_history_is_forgotten AFTER DELETE ON market_history FOR EACH ROW EXECUTE FUNCTION forget_names_of_snapshot('market history', 'history_no');

CREATE TRIGGER market_history_is_immutable BEFORE UPDATE ON market_history FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER market_history_is_named AFTER INSERT ON market_history FOR EACH ROW EXECUTE FUNCTION name_new_snapshot('market history', 'history_no');

CREATE TRIGGER market_snapshot_is_forgotten AFTER DELETE ON market_snapshot FOR EACH ROW EXECUTE FUNCTION forget_names_of_snapshot('market', 'market_no');

CREATE TRIGGER market_snapshot_is_immutable BEFORE UPDATE ON market_snapshot FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER market_snapshot_is_named AFTER INSERT ON market_snapshot FOR EACH ROW EXECUTE FUNCTION name_new_snapshot('market', 'market_no');

CREATE TRIGGER portfolio_batch_is_immutable BEFORE UPDATE ON portfolio_batch FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER portfolio_requirement_is_immutable BEFORE UPDATE ON portfolio_requirement FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER portfolio_snapshot_is_forgotten AFTER DELETE ON portfolio_snapshot FOR EACH ROW EXECUTE FUNCTION forget_names_of_snapshot('portfolio', 'portfolio_no');

CREATE TRIGGER portfolio_snapshot_is_immutable BEFORE UPDATE ON portfolio_snapshot FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER portfolio_snapshot_is_named AFTER INSERT ON portfolio_snapshot FOR EACH ROW EXECUTE FUNCTION name_new_snapshot('portfolio', 'portfolio_no');

CREATE TRIGGER position_is_immutable BEFORE UPDATE ON "position" FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER run_claim_is_noted BEFORE UPDATE OF epoch ON run FOR EACH ROW WHEN ((new.epoch <> old.epoch)) EXECUTE FUNCTION note_claim();

CREATE TRIGGER run_state_edges BEFORE UPDATE ON run FOR EACH ROW EXECUTE FUNCTION run_state_edges();

CREATE TRIGGER scenario_set_is_forgotten AFTER DELETE ON scenario_set FOR EACH ROW EXECUTE FUNCTION forget_names_of_snapshot('scenario set', 'scenario_set_no');

CREATE TRIGGER scenario_set_is_immutable BEFORE UPDATE ON scenario_set FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER scenario_set_is_named AFTER INSERT ON scenario_set FOR EACH ROW EXECUTE FUNCTION name_new_snapshot('scenario set', 'scenario_set_no');

CREATE TRIGGER snapshot_name_keeps_its_meaning BEFORE UPDATE OF kind, name, version, snapshot_no, created_at ON snapshot_name FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE ONLY market_curve
    ADD CONSTRAINT market_curve_market_no_fkey FOREIGN KEY (market_no) REFERENCES market_snapshot(market_no) ON DELETE CASCADE;

ALTER TABLE ONLY market_snapshot
    ADD CONSTRAINT market_snapshot_fixings_id_fkey FOREIGN KEY (fixings_id) REFERENCES fixings_snapshot(fixings_id);

ALTER TABLE ONLY portfolio_batch
    ADD CONSTRAINT portfolio_batch_portfolio_no_fkey FOREIGN KEY (portfolio_no) REFERENCES portfolio_snapshot(portfolio_no) ON DELETE CASCADE;

ALTER TABLE ONLY portfolio_requirement
    ADD CONSTRAINT portfolio_requirement_portfolio_no_fkey FOREIGN KEY (portfolio_no) REFERENCES portfolio_snapshot(portfolio_no) ON DELETE CASCADE;

ALTER TABLE ONLY position_failure
    ADD CONSTRAINT position_failure_run_no_fkey FOREIGN KEY (run_no) REFERENCES run(run_no) ON DELETE CASCADE;

ALTER TABLE ONLY position_scenario_failure
    ADD CONSTRAINT position_scenario_failure_run_no_fkey FOREIGN KEY (run_no) REFERENCES run(run_no) ON DELETE CASCADE;

ALTER TABLE ONLY position_vector
    ADD CONSTRAINT position_vector_run_no_fkey FOREIGN KEY (run_no) REFERENCES run(run_no) ON DELETE CASCADE;

ALTER TABLE ONLY result_fx_rollup
    ADD CONSTRAINT result_fx_rollup_run_no_fkey FOREIGN KEY (run_no) REFERENCES run(run_no) ON DELETE CASCADE;

ALTER TABLE ONLY result_key_rate_rollup
    ADD CONSTRAINT result_key_rate_rollup_run_no_fkey FOREIGN KEY (run_no) REFERENCES run(run_no) ON DELETE CASCADE;

ALTER TABLE ONLY result_ladder_rollup
    ADD CONSTRAINT result_ladder_rollup_run_no_fkey FOREIGN KEY (run_no) REFERENCES run(run_no) ON DELETE CASCADE;

ALTER TABLE ONLY result_rollup
    ADD CONSTRAINT result_rollup_run_no_fkey FOREIGN KEY (run_no) REFERENCES run(run_no) ON DELETE CASCADE;

ALTER TABLE ONLY result_sensitivity
    ADD CONSTRAINT result_sensitivity_run_no_fkey FOREIGN KEY (run_no) REFERENCES run(run_no) ON DELETE CASCADE;

ALTER TABLE ONLY run
    ADD CONSTRAINT run_carried_from_run_no_fkey FOREIGN KEY (carried_from_run_no) REFERENCES run(run_no);

ALTER TABLE ONLY run_event
    ADD CONSTRAINT run_event_run_no_fkey FOREIGN KEY (run_no) REFERENCES run(run_no) ON DELETE CASCADE;

ALTER TABLE ONLY run_factor
    ADD CONSTRAINT run_factor_run_no_fkey FOREIGN KEY (run_no) REFERENCES run(run_no) ON DELETE CASCADE;

ALTER TABLE ONLY run
    ADD CONSTRAINT run_market_no_fkey FOREIGN KEY (market_no) REFERENCES market_snapshot(market_no);

ALTER TABLE ONLY run
    ADD CONSTRAINT run_portfolio_no_fkey FOREIGN KEY (portfolio_no) REFERENCES portfolio_snapshot(portfolio_no);

ALTER TABLE ONLY run
    ADD CONSTRAINT run_scenario_set_no_fkey FOREIGN KEY (scenario_set_no) REFERENCES scenario_set(scenario_set_no);

ALTER TABLE ONLY run_shard
    ADD CONSTRAINT run_shard_run_no_fkey FOREIGN KEY (run_no) REFERENCES run(run_no) ON DELETE CASCADE;

ALTER TABLE ONLY scenario_failure
    ADD CONSTRAINT scenario_failure_run_no_fkey FOREIGN KEY (run_no) REFERENCES run(run_no) ON DELETE CASCADE;

ALTER TABLE ONLY scenario_vector
    ADD CONSTRAINT scenario_vector_run_no_fkey FOREIGN KEY (run_no) REFERENCES run(run_no) ON DELETE CASCADE;
