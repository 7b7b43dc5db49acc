"""The command line: one file per command. Nothing is decided here; commands call the Python API and print."""
