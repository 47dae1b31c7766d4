"""INT8: what is quantized and how, decided once for every runtime."""
