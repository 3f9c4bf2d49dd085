"""How kernels are compiled, where they are kept, and the arithmetic that they share."""
