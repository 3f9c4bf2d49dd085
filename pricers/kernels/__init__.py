"""How kernels are compiled, where the compiled code is kept, and the arithmetic that kernels share."""
