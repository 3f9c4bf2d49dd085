-- Tables of fixings: what indices have published, and the markets that read them.

CREATE TABLE fixings_snapshot (
    fixings_no    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fixings_id    text NOT NULL UNIQUE,               -- 'fix-' and the first 16 hex digits of the content hash
    name          text NOT NULL,
    version       integer NOT NULL CHECK (version >= 1),
    content_hash  bytea NOT NULL UNIQUE CHECK (length(content_hash) = 32),
    indices       text[] NOT NULL,
    first_date    date NOT NULL,
    last_date     date NOT NULL CHECK (last_date >= first_date),
    row_count     integer NOT NULL CHECK (row_count >= 1),
    payload       bytea NOT NULL,                     -- Arrow IPC stream, zstd: index, fixing_date, value, source, published_at
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (name, version)
);
ALTER TABLE fixings_snapshot ALTER COLUMN payload SET STORAGE EXTERNAL;  -- already compressed
CREATE TRIGGER fixings_snapshot_is_immutable BEFORE UPDATE ON fixings_snapshot EXECUTE FUNCTION refuse_change();
CREATE TRIGGER fixings_snapshot_is_named AFTER INSERT ON fixings_snapshot
    FOR EACH ROW EXECUTE FUNCTION name_new_snapshot('fixing table', 'fixings_no');
CREATE TRIGGER fixings_snapshot_is_forgotten AFTER DELETE ON fixings_snapshot
    FOR EACH ROW EXECUTE FUNCTION forget_names_of_snapshot('fixing table', 'fixings_no');

-- A market means the same fixings for ever. Markets of before have none; fixings that a market lists itself are in its document.
ALTER TABLE market_snapshot ADD COLUMN fixings_id text REFERENCES fixings_snapshot (fixings_id);
CREATE INDEX market_snapshot_by_fixings ON market_snapshot (fixings_id) WHERE fixings_id IS NOT NULL;
