"""What the tests of users and our own share: a clock that is moved by hand, a disk that can crash, a resolver with a
zone in a dict, a receiving server, a raw client; and a pytest plugin that makes fixtures of them.

Everything but `pytest_plugin.py` works without pytest. Fakes keep the contract of what they stand for: each runs the
same test bodies as the real thing. Never: something that production code imports.
"""
