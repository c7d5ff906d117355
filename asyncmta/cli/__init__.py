"""The command line: one file for each group of commands (contract.md section 2).

Each command loads what it needs when it runs, so that `asyncmta health` and `asyncmta send` start quickly. Commands
that look or ask go through the control socket; only `serve` runs an `Mta`. Never: decisions about mail.
"""
