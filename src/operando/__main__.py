"""`python -m operando` is the command `operando`."""

from operando.cli import main

main()
