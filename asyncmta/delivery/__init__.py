"""Hand it over: find where mail goes, open sessions there, run transactions, say what became of each recipient.

This room gets consignments and gives outcomes; it never decides when to try again, never reads or writes the journal,
and never imports the scheduler or the listener. Its decisions are pure files: `exchange`, `answers`, `verdict`,
`backlog`, `dialogue`.
"""
