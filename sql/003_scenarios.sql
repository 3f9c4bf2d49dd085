-- Scenarios: market histories, scenario sets, hierarchies, and the P&L vectors of runs.

CREATE TABLE market_history (
    history_no    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    history_id    text NOT NULL UNIQUE,               -- 'hist-' and the first 16 hex digits of the content hash
    name          text NOT NULL,
    version       integer NOT NULL CHECK (version >= 1),
    content_hash  bytea NOT NULL UNIQUE CHECK (length(content_hash) = 32),
    factors       text[] NOT NULL,
    first_date    date NOT NULL,
    last_date     date NOT NULL CHECK (last_date > first_date),
    row_count     integer NOT NULL CHECK (row_count >= 2),
    payload       bytea NOT NULL,                     -- Arrow IPC stream, zstd: date, then one column a factor
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (name, version)
);
ALTER TABLE market_history ALTER COLUMN payload SET STORAGE EXTERNAL;  -- already compressed

CREATE TABLE scenario_set (
    scenario_set_no  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scenario_set_id  text NOT NULL UNIQUE,            -- 'scen-' and the first 16 hex digits of the content hash
    name             text NOT NULL,
    version          integer NOT NULL CHECK (version >= 1),
    content_hash     bytea NOT NULL UNIQUE CHECK (length(content_hash) = 32),
    kind             text NOT NULL CHECK (kind IN ('stress', 'historical', 'monte_carlo', 'matrix')),
    definition       json NOT NULL,                   -- as it was asked for, with the ids of what it names
    market_id        text,                            -- that it was made against; text, so that the market may be deleted
    scenario_count   integer NOT NULL CHECK (scenario_count > 0),
    factor_count     integer NOT NULL CHECK (factor_count > 0),
    payload          bytea NOT NULL,                  -- Arrow IPC stream, zstd: scenario, then one column a factor
    created_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (name, version)
);
ALTER TABLE scenario_set ALTER COLUMN payload SET STORAGE EXTERNAL;

CREATE TABLE hierarchy (
    hierarchy_no  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hierarchy_id  text NOT NULL UNIQUE,               -- 'hier-' and the first 16 hex digits of the content hash
    name          text NOT NULL,
    version       integer NOT NULL CHECK (version >= 1),
    content_hash  bytea NOT NULL UNIQUE CHECK (length(content_hash) = 32),
    dimension     text NOT NULL CHECK (dimension IN ('book', 'product', 'currency', 'counterparty')),
    document      json NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (name, version)
);

ALTER TABLE run
    ADD COLUMN scenario_set_no integer REFERENCES scenario_set,
    ADD COLUMN vectors text NOT NULL DEFAULT 'none' CHECK (vectors IN ('none', 'group', 'position')),
    ADD COLUMN failure_policy text NOT NULL DEFAULT 'drop_position' CHECK (failure_policy IN ('drop_position', 'drop_scenario')),
    ADD CHECK (scenario_set_no IS NOT NULL OR vectors = 'none');
CREATE INDEX run_by_scenario_set ON run (scenario_set_no) WHERE scenario_set_no IS NOT NULL;

-- Netted flows of a shard that is done: exact partial sums, so that a run taken over goes on where it was.
ALTER TABLE run_shard ADD COLUMN ladders bytea;
ALTER TABLE run_shard ALTER COLUMN ladders SET STORAGE EXTERNAL;

-- P&L of atomic groups in every scenario: PV(scenario) - PV, base currency. Two families, because cells of all four dimensions together
-- would be nearly as many as positions: (book, product, currency) and (counterparty, product, currency).
CREATE TABLE scenario_vector (
    run_no         integer NOT NULL REFERENCES run ON DELETE CASCADE,
    family         text NOT NULL CHECK (family IN ('book', 'counterparty')),
    book           text NOT NULL,                     -- '' in the family of counterparties
    product        text NOT NULL,
    currency       text NOT NULL,
    counterparty   text NOT NULL,                     -- '' in the family of books
    ok_count       integer NOT NULL CHECK (ok_count >= 0),       -- positions in the vector
    dropped_count  integer NOT NULL CHECK (dropped_count >= 0),  -- positions that failed, alone or in a scenario
    base_pv        float8 NOT NULL,
    pnl            bytea NOT NULL CHECK (length(pnl) % 8 = 0),   -- little-endian float64, in the order of the set's scenarios
    PRIMARY KEY (run_no, family, book, product, currency, counterparty),
    CHECK ((family = 'book') = (counterparty = '')),
    CHECK ((family = 'counterparty') = (book = ''))
);
ALTER TABLE scenario_vector ALTER COLUMN pnl SET STORAGE EXTERNAL;  -- noise does not compress

-- P&L of consecutive positions in every scenario, in blocks of a few megabytes; NaN where a position has no value.
CREATE TABLE position_vector (
    run_no             integer NOT NULL REFERENCES run ON DELETE CASCADE,
    first_position_no  integer NOT NULL,
    row_count          integer NOT NULL CHECK (row_count > 0),
    payload            bytea NOT NULL,                -- little-endian float64 [row, scenario]
    PRIMARY KEY (run_no, first_position_no),
    CHECK (length(payload) % (8 * row_count) = 0)
);
ALTER TABLE position_vector ALTER COLUMN payload SET STORAGE EXTERNAL;

-- Positions that are priced and have no value in some scenario; under drop_position they are in no vector.
CREATE TABLE position_scenario_failure (
    run_no             integer NOT NULL REFERENCES run ON DELETE CASCADE,
    position_no        integer NOT NULL,
    first_scenario_no  integer NOT NULL CHECK (first_scenario_no >= 0),
    scenario_count     integer NOT NULL CHECK (scenario_count > 0),
    PRIMARY KEY (run_no, position_no)
);

-- Scenarios that some position has no value in; under drop_scenario they are left out of every figure of the run.
CREATE TABLE scenario_failure (
    run_no               integer NOT NULL REFERENCES run ON DELETE CASCADE,
    scenario_no          integer NOT NULL CHECK (scenario_no >= 0),
    position_count       integer NOT NULL CHECK (position_count > 0),
    example_position_no  integer NOT NULL,
    PRIMARY KEY (run_no, scenario_no)
);
