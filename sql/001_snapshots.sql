-- Immutable inputs: market and portfolio snapshots, each known by the hash of its content.

CREATE TABLE market_snapshot (
    market_no     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    market_id     text NOT NULL UNIQUE,               -- 'mkt-' and the first 16 hex digits of the content hash
    name          text NOT NULL,
    version       integer NOT NULL CHECK (version >= 1),
    as_of         date NOT NULL,
    content_hash  bytea NOT NULL UNIQUE CHECK (length(content_hash) = 32),
    document      json NOT NULL,                      -- canonical text; json, not jsonb: what comes out is what went in
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (name, version)
);

-- The curves of a market by number, so that key-rate arrays in results can be named by a join.
CREATE TABLE market_curve (
    market_no      integer NOT NULL REFERENCES market_snapshot ON DELETE CASCADE,
    kind           text NOT NULL CHECK (kind IN ('discount', 'spread')),
    curve_no       smallint NOT NULL,                 -- position in the pricers' arrays: sorted by name, from 0
    name           text NOT NULL,
    currency       text NOT NULL,
    pillar_labels  text[] NOT NULL,
    pillar_days    integer[] NOT NULL,
    zero_rates     float8[] NOT NULL,
    PRIMARY KEY (market_no, kind, curve_no),
    UNIQUE (market_no, kind, name)
);

CREATE TABLE portfolio_snapshot (
    portfolio_no    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    portfolio_id    text NOT NULL UNIQUE,             -- 'pf-' and the first 16 hex digits of the content hash
    name            text NOT NULL,
    version         integer NOT NULL CHECK (version >= 1),
    content_hash    bytea NOT NULL UNIQUE CHECK (length(content_hash) = 32),
    position_count  integer NOT NULL CHECK (position_count > 0),
    rejected_count  integer NOT NULL DEFAULT 0 CHECK (rejected_count >= 0),  -- rows left out under allow_partial
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (name, version)
);

-- The contracts, as Arrow IPC streams (zstd). Batches of one product are contiguous in position_no.
CREATE TABLE portfolio_batch (
    portfolio_no       integer NOT NULL REFERENCES portfolio_snapshot ON DELETE CASCADE,
    batch_no           integer NOT NULL,
    product            text NOT NULL,
    first_position_no  integer NOT NULL,
    row_count          integer NOT NULL CHECK (row_count > 0),
    payload            bytea NOT NULL,
    PRIMARY KEY (portfolio_no, batch_no)
);
ALTER TABLE portfolio_batch ALTER COLUMN payload SET STORAGE EXTERNAL;  -- already compressed

-- What SQL joins need of a position. No foreign key: checking it row by row would double the time of a load; a portfolio's rows come and
-- go in the transaction of their snapshot, and `riskray db check` looks for strays.
CREATE TABLE position (
    portfolio_no  integer NOT NULL,
    position_no   integer NOT NULL,                   -- dense from 0 within the portfolio
    position_id   text NOT NULL,
    product       text NOT NULL,
    book          text NOT NULL,
    counterparty  text NOT NULL,
    currency      text NOT NULL,
    notional      float8 NOT NULL,
    PRIMARY KEY (portfolio_no, position_no)
);
CREATE UNIQUE INDEX position_by_id ON position (portfolio_no, position_id);

-- What market data the portfolio needs, counted once at ingest so that pre-flight reads tens of rows.
CREATE TABLE portfolio_requirement (
    portfolio_no    integer NOT NULL REFERENCES portfolio_snapshot ON DELETE CASCADE,
    product         text NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('product', 'discount_curve', 'spread_curve', 'currency')),
    name            text NOT NULL,
    currency        text NOT NULL,                    -- of the notional
    position_count  integer NOT NULL CHECK (position_count > 0),
    gross_notional  float8 NOT NULL,
    PRIMARY KEY (portfolio_no, product, kind, name, currency)
);
