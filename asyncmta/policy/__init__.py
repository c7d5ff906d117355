"""Say who is welcome: rules, block lists, hooks and policy services, as verdicts on clients, senders and recipients.

docs/policy.md.
"""
