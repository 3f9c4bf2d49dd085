-- Traces: the W3C trace context of the request that submitted a run, so that whoever drives the run goes on with the trace.

ALTER TABLE run ADD COLUMN traceparent text CHECK (length(traceparent) <= 55);
