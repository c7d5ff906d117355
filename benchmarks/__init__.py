"""asyncmta beside Postfix on one machine: `make bench`. See README.md."""
