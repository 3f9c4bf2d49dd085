-- Names: one table for every kind of snapshot. Each upload under a name is a version of it, and a name means its last upload.
-- The columns name and version of the snapshots stay for one version of riskray that may serve beside this one; nothing reads them now.

CREATE TABLE snapshot_name (
    upload_no       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind            text NOT NULL,          -- portfolio, market, market history, scenario set, hierarchy
    name            text NOT NULL,
    version         integer NOT NULL CHECK (version >= 1),
    snapshot_no     integer NOT NULL,       -- portfolio_no, market_no, ... by kind
    reader_version  integer,                -- of the reader of portfolio files, null where none is known
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (kind, name, version)
);
CREATE INDEX snapshot_name_by_snapshot ON snapshot_name (kind, snapshot_no, upload_no);
CREATE TRIGGER snapshot_name_keeps_its_meaning BEFORE UPDATE OF kind, name, version, snapshot_no, created_at ON snapshot_name
    EXECUTE FUNCTION refuse_change();

-- A snapshot table cannot be referred to by a foreign key of a table for all kinds, so triggers keep both in step. They also serve the
-- version before, which knows nothing of snapshot_name. Arguments: the kind, and the column with the snapshot's number.
CREATE FUNCTION name_new_snapshot() RETURNS trigger LANGUAGE plpgsql AS $$
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
$$;
CREATE FUNCTION forget_names_of_snapshot() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_no integer;
BEGIN
    EXECUTE format('SELECT ($1).%I', TG_ARGV[1]) INTO old_no USING OLD;
    DELETE FROM snapshot_name WHERE kind = TG_ARGV[0] AND snapshot_no = old_no;
    RETURN NULL;
END
$$;
CREATE TRIGGER market_snapshot_is_named AFTER INSERT ON market_snapshot
    FOR EACH ROW EXECUTE FUNCTION name_new_snapshot('market', 'market_no');
CREATE TRIGGER market_snapshot_is_forgotten AFTER DELETE ON market_snapshot
    FOR EACH ROW EXECUTE FUNCTION forget_names_of_snapshot('market', 'market_no');
CREATE TRIGGER portfolio_snapshot_is_named AFTER INSERT ON portfolio_snapshot
    FOR EACH ROW EXECUTE FUNCTION name_new_snapshot('portfolio', 'portfolio_no');
CREATE TRIGGER portfolio_snapshot_is_forgotten AFTER DELETE ON portfolio_snapshot
    FOR EACH ROW EXECUTE FUNCTION forget_names_of_snapshot('portfolio', 'portfolio_no');
CREATE TRIGGER market_history_is_named AFTER INSERT ON market_history
    FOR EACH ROW EXECUTE FUNCTION name_new_snapshot('market history', 'history_no');
CREATE TRIGGER market_history_is_forgotten AFTER DELETE ON market_history
    FOR EACH ROW EXECUTE FUNCTION forget_names_of_snapshot('market history', 'history_no');
CREATE TRIGGER scenario_set_is_named AFTER INSERT ON scenario_set
    FOR EACH ROW EXECUTE FUNCTION name_new_snapshot('scenario set', 'scenario_set_no');
CREATE TRIGGER scenario_set_is_forgotten AFTER DELETE ON scenario_set
    FOR EACH ROW EXECUTE FUNCTION forget_names_of_snapshot('scenario set', 'scenario_set_no');
CREATE TRIGGER hierarchy_is_named AFTER INSERT ON hierarchy
    FOR EACH ROW EXECUTE FUNCTION name_new_snapshot('hierarchy', 'hierarchy_no');
CREATE TRIGGER hierarchy_is_forgotten AFTER DELETE ON hierarchy
    FOR EACH ROW EXECUTE FUNCTION forget_names_of_snapshot('hierarchy', 'hierarchy_no');

-- What is stored already, in the order of its uploads. The triggers above keep other writers out until this is committed.
INSERT INTO snapshot_name (kind, name, version, snapshot_no, created_at)
SELECT kind, name, version, snapshot_no, created_at
  FROM (
       SELECT 'market' AS kind, name, version, market_no AS snapshot_no, created_at FROM market_snapshot
        UNION ALL
       SELECT 'portfolio', name, version, portfolio_no, created_at FROM portfolio_snapshot
        UNION ALL
       SELECT 'market history', name, version, history_no, created_at FROM market_history
        UNION ALL
       SELECT 'scenario set', name, version, scenario_set_no, created_at FROM scenario_set
        UNION ALL
       SELECT 'hierarchy', name, version, hierarchy_no, created_at FROM hierarchy
       ) stored
 ORDER BY created_at, version, kind, snapshot_no;

-- When the claim that holds a run began; set by the trigger, so that a claim of the version before sets it too.
ALTER TABLE run ADD COLUMN claimed_at timestamptz;
CREATE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.claimed_at = clock_timestamp();
    RETURN NEW;
END
$$;
CREATE TRIGGER run_claim_is_noted BEFORE UPDATE OF epoch ON run
    FOR EACH ROW WHEN (NEW.epoch <> OLD.epoch) EXECUTE FUNCTION note_claim();
UPDATE run
   SET claimed_at = (SELECT max(at) FROM run_event WHERE run_event.run_no = run.run_no AND run_event.kind = 'claimed')
 WHERE state = 'RUNNING';
