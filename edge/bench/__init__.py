"""How fast a model runs here, under which circumstances, and whether to believe it.

Nothing is imported here: the start of `edge.bench.worker` is part of what is measured.
"""
