"""What is computed from compiled cash flows: measures, scenario values, book sums, reports and attributions."""
