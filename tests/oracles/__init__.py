"""Independent values to compare riskray's with: QuantLib builders and comparisons over random contracts. Benchmarks import them."""
