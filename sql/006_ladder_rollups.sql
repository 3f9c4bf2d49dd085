-- Ladders of a run as one row a curve, its pillars in an array, as the ladders of positions are: a twelfth of the rows, keys and checks
-- of the foreign key in the transaction that ends a run. Ladders by pillar stay in result_key_rate_rollup, which an older version beside
-- this one goes on writing, and are read from there.

CREATE TABLE result_ladder_rollup (
    run_no    integer NOT NULL REFERENCES run ON DELETE CASCADE,
    book      text NOT NULL,
    product   text NOT NULL,
    curve_no  smallint NOT NULL,
    dv01      float8[] NOT NULL,                      -- a number a pillar of the curve
    PRIMARY KEY (run_no, book, product, curve_no)
);
