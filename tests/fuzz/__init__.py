"""Crafted graphs, files, tables, names, pictures and kills, by the thousand; see `docs/security.md`.

`python -m tests.fuzz` runs all of them for an hour, `python -m tests.fuzz graphs --seed 17` one again.
"""
