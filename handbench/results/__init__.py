"""Finished runs go in; one directory a run, and the tables made from them, come out."""
