-- Runs: state, work ledger, events, results.

CREATE TYPE run_state AS ENUM ('QUEUED', 'RUNNING', 'SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED');
CREATE TYPE shard_state AS ENUM ('PENDING', 'DONE', 'SPLIT', 'CANCELLED');

CREATE TABLE run (
    run_no               integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id               text NOT NULL UNIQUE,
    name                 text NOT NULL,
    state                run_state NOT NULL DEFAULT 'QUEUED',
    executor             text NOT NULL DEFAULT 'pool' CHECK (executor IN ('pool', 'job')),  -- who may claim it
    market_no            integer NOT NULL REFERENCES market_snapshot,
    portfolio_no         integer NOT NULL REFERENCES portfolio_snapshot,
    base_currency        text NOT NULL,
    measures             text[] NOT NULL,
    rows_per_shard       integer NOT NULL CHECK (rows_per_shard > 0),
    storage_no           integer NOT NULL,            -- partition of position_result: 0 is shared by small runs
    position_count       integer NOT NULL CHECK (position_count > 0),
    ok_count             integer NOT NULL DEFAULT 0 CHECK (ok_count >= 0),
    failed_count         integer NOT NULL DEFAULT 0 CHECK (failed_count >= 0),
    cancelled_count      integer NOT NULL DEFAULT 0 CHECK (cancelled_count >= 0),
    event_seq            integer NOT NULL DEFAULT 0,
    preflight            jsonb NOT NULL,
    manifest             jsonb,                       -- written at finalise: input hashes, code version, settings, timings
    idempotency_key      text UNIQUE,
    request_fingerprint  bytea,
    error_code           text,
    error_detail         text,
    owner                uuid,                        -- fresh per process boot, never a host name
    epoch                integer NOT NULL DEFAULT 0,  -- grows with every claim; every later write is conditional on it
    lease_until          timestamptz,
    created_at           timestamptz NOT NULL DEFAULT now(),
    started_at           timestamptz,
    finished_at          timestamptz,
    cancel_requested_at  timestamptz,
    CHECK ((finished_at IS NOT NULL) = (state IN ('SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED'))),
    CHECK (storage_no IN (0, run_no)),
    CHECK (ok_count + failed_count + cancelled_count <= position_count),
    CHECK (state NOT IN ('SUCCEEDED', 'PARTIAL') OR ok_count + failed_count = position_count),
    CHECK (state <> 'SUCCEEDED' OR failed_count = 0),
    CHECK (state <> 'PARTIAL' OR failed_count > 0),
    CHECK (state <> 'CANCELLED' OR ok_count + failed_count + cancelled_count = position_count),
    CHECK (state <> 'FAILED' OR error_code IS NOT NULL)
) WITH (fillfactor = 50);                             -- every shard updates the counts: room for the new version on the same page
CREATE INDEX run_claimable ON run (run_no) WHERE state IN ('QUEUED', 'RUNNING');
CREATE INDEX run_by_market ON run (market_no);
CREATE INDEX run_by_portfolio ON run (portfolio_no);

-- QUEUED -> RUNNING -> SUCCEEDED | PARTIAL | FAILED | CANCELLED; a queued run may be cancelled or fail at once; terminal is final.
CREATE FUNCTION run_state_edges() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER run_state_edges BEFORE UPDATE ON run FOR EACH ROW EXECUTE FUNCTION run_state_edges();

CREATE TABLE run_shard (
    run_no             integer NOT NULL REFERENCES run ON DELETE CASCADE,
    shard_no           integer NOT NULL,
    product            text NOT NULL,
    first_position_no  integer NOT NULL,
    row_count          integer NOT NULL CHECK (row_count > 0),
    state              shard_state NOT NULL DEFAULT 'PENDING',
    attempts           integer NOT NULL DEFAULT 0,
    epoch              integer,                       -- of the claim under which it was committed
    ok_count           integer,
    failed_count       integer,
    exact_sums         bytea,                         -- order-independent partial sums of the rollups
    seconds            jsonb,                         -- by phase: read, lower, value, write
    finished_at        timestamptz,
    PRIMARY KEY (run_no, shard_no),
    CHECK ((state = 'DONE') = (ok_count IS NOT NULL AND failed_count IS NOT NULL AND epoch IS NOT NULL)),
    CHECK (state <> 'DONE' OR ok_count + failed_count = row_count)
);

CREATE TABLE run_event (
    run_no  integer NOT NULL REFERENCES run ON DELETE CASCADE,
    seq     integer NOT NULL,                         -- gap-free from 1
    at      timestamptz NOT NULL DEFAULT now(),
    kind    text NOT NULL,
    data    jsonb NOT NULL,
    PRIMARY KEY (run_no, seq)
);

-- One row a priced position. A large run has a partition of its own (dropping it is instant, its key is built after the load);
-- small runs share partition 0, because a table for every what-if would fill the catalogue.
CREATE TABLE position_result (
    storage_no             integer NOT NULL,
    run_no                 integer NOT NULL,
    position_no            integer NOT NULL,
    pv                     float8 NOT NULL,
    pv_base                float8 NOT NULL,
    clean_price            float8,
    dirty_price            float8,
    accrued_interest       float8,
    yield_to_maturity      float8,
    macaulay_duration      float8,
    modified_duration      float8,
    convexity              float8,
    z_spread               float8,
    weighted_average_life  float8,
    dv01                   float8,
    cs01                   float8,
    fx_delta               float8,
    theta_1d               float8,
    leg_curve_nos          smallint[],                -- market_curve.curve_no of each leg's discount curve
    leg_fx_delta           float8[],                  -- one number a leg
    key_rate_dv01          float8[]                   -- the legs' pillars, one leg after the other
) PARTITION BY LIST (storage_no);
CREATE TABLE position_result_0 PARTITION OF position_result FOR VALUES IN (0);
CREATE UNIQUE INDEX position_result_0_key ON position_result_0 (run_no, position_no);

CREATE TABLE position_failure (
    run_no       integer NOT NULL REFERENCES run ON DELETE CASCADE,
    position_no  integer NOT NULL,
    code         text NOT NULL,                       -- RowStatus name
    message      text NOT NULL,
    remedy       text NOT NULL,
    PRIMARY KEY (run_no, position_no)
);

-- Correctly rounded sums of the position results, written at finalise; dashboards read these.
CREATE TABLE result_rollup (
    run_no        integer NOT NULL REFERENCES run ON DELETE CASCADE,
    book          text NOT NULL,
    product       text NOT NULL,
    currency      text NOT NULL,
    ok_count      integer NOT NULL,
    failed_count  integer NOT NULL,
    pv            float8 NOT NULL,
    pv_base       float8 NOT NULL,
    dv01          float8 NOT NULL,
    cs01          float8 NOT NULL,
    fx_delta      float8 NOT NULL,
    theta_1d      float8 NOT NULL,
    PRIMARY KEY (run_no, book, product, currency)
);

CREATE TABLE result_fx_rollup (
    run_no    integer NOT NULL REFERENCES run ON DELETE CASCADE,
    book      text NOT NULL,
    product   text NOT NULL,
    currency  text NOT NULL,                          -- of the leg
    fx_delta  float8 NOT NULL,
    PRIMARY KEY (run_no, book, product, currency)
);

CREATE TABLE result_key_rate_rollup (
    run_no    integer NOT NULL REFERENCES run ON DELETE CASCADE,
    book      text NOT NULL,
    product   text NOT NULL,
    curve_no  smallint NOT NULL,
    pillar_no smallint NOT NULL,                      -- from 0
    dv01      float8 NOT NULL,
    PRIMARY KEY (run_no, book, product, curve_no, pillar_no)
);

-- Results with their names, for people and reports.
CREATE VIEW result AS
SELECT run.run_id, position.position_id, position.product, position.book, position.counterparty, position.currency, position.notional,
       r.pv, r.pv_base, r.clean_price, r.dirty_price, r.accrued_interest, r.yield_to_maturity, r.macaulay_duration, r.modified_duration,
       r.convexity, r.z_spread, r.weighted_average_life, r.dv01, r.cs01, r.fx_delta, r.theta_1d, r.leg_curve_nos, r.leg_fx_delta, r.key_rate_dv01,
       r.position_no
  FROM run
  JOIN position_result r ON r.storage_no = run.storage_no AND r.run_no = run.run_no
  JOIN position ON position.portfolio_no = run.portfolio_no AND position.position_no = r.position_no;

CREATE VIEW failure AS
SELECT run.run_id, position.position_id, position.product, position.book, position.counterparty, position.currency, position.notional,
       f.code, f.message, f.remedy, f.position_no
  FROM run
  JOIN position_failure f USING (run_no)
  JOIN position ON position.portfolio_no = run.portfolio_no AND position.position_no = f.position_no;
