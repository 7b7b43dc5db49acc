"""`python -m cnndsl`: the command line, where the script `cnndsl` is not on the path."""

from cnndsl.cli.main import main

main()
