-- Ladders of a run as one row a curve, its pillars in an array, as the ladders of positions are: a twelfth of the rows, keys and checks
-- of the foreign key in the transaction that ends a run.

CREATE TEMPORARY TABLE ladder ON COMMIT DROP AS
SELECT run_no, book, product, curve_no, array_agg(dv01 ORDER BY pillar_no) AS dv01
  FROM result_key_rate_rollup
 GROUP BY run_no, book, product, curve_no;
DROP TABLE result_key_rate_rollup;
CREATE TABLE result_key_rate_rollup (
    run_no    integer NOT NULL REFERENCES run ON DELETE CASCADE,
    book      text NOT NULL,
    product   text NOT NULL,
    curve_no  smallint NOT NULL,
    dv01      float8[] NOT NULL,                      -- a number a pillar of the curve
    PRIMARY KEY (run_no, book, product, curve_no)
);
INSERT INTO result_key_rate_rollup SELECT run_no, book, product, curve_no, dv01 FROM ladder;
