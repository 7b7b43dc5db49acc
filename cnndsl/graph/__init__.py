"""The graph layer: sizes, types, scalar expressions, the op record, the graph and its rewrites."""
