-- Runs that value anew only what changed since an earlier run. Every carried row says so: the positions of a shard that were carried, and the
-- run they come from, which stays for as long as what it gave. Sums of ladders have had a place in exact_sums from the start.

ALTER TABLE run ADD COLUMN carried_from_run_no integer REFERENCES run;
CREATE INDEX run_carried_from ON run (carried_from_run_no) WHERE carried_from_run_no IS NOT NULL;
ALTER TABLE run_shard ADD COLUMN carried int4multirange NOT NULL DEFAULT '{}';
ALTER TABLE run_shard ADD COLUMN carried_count integer NOT NULL DEFAULT 0 CHECK (carried_count BETWEEN 0 AND row_count);
ALTER TABLE run_shard DROP COLUMN ladders;
