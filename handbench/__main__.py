"""`python -m handbench`."""

from handbench.cli import main

main()
