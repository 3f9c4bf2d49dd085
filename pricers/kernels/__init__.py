<<<<<<< HEAD
"""How kernels are compiled and where they are kept."""
=======
"""How kernels are compiled, where they are kept, and the arithmetic that they share."""
>>>>>>> simd
