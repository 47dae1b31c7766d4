"""INT8: what is quantised and how, decided once for every runtime."""
