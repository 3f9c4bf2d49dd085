"""Independent values for comparison with riskray's: QuantLib builders and comparisons over random contracts. Benchmarks import them."""
