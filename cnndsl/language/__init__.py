"""The language: text to `Model`, with messages a reader can act on."""
