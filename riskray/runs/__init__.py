"""The use cases of a run, without Ray and HTTP: submit, load inputs, reuse, what-if, P&L explanation, manifest."""
