"""A graph as `.cnn` text that parses to the same graph, with the same names of weights.

`model.py` writes the file, `said.py` decides whether the language can say a graph and under which paths, `shares.py`
finds shared steps, `parts.py` finds bodies, branches and heads in the paths, `lines.py` writes them, and `words.py`
writes one step.
"""
