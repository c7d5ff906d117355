"""Who is to get no more mail: a list of addresses and domains, with a reason and an end for each.

docs/suppression.md.
"""
