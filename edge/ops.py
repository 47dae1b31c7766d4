"""The kernels, as Python sees them: the one module that touches the compiled extension."""
