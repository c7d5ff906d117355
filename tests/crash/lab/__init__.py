"""The crash laboratory: kills, failing calls, power cuts, full disks, and an oracle that says what must be true then.

`make crash` runs all of it at length (`__main__.py`); tests/crash/test_lab_*.py are the short forms. Injectors: shim.c,
hatchery.py and hatch.py (children), power.py and tmpfs in full.py (mounts). Oracle: letters.py, client.py, sink.py,
oracle.py. One file for each kind: calls.py, power.py, model.py, serve.py, full.py.
"""
