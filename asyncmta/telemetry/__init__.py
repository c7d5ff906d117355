"""Traces of messages for OpenTelemetry: which are told, spans made of what is logged anyway, a thread that sends them.

docs/telemetry.md.
"""
