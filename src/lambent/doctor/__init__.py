"""What this machine can do for a server, and what stands in its way: `python -m lambent.doctor`.

One probe per file in `probes/`, each with its remedy. A room of its own above the sandbox, run as a
process by `lambent doctor`, as `up` runs the server: the command line stays free of the rooms that
isolate functions, and a probe that hangs or crashes takes nothing with it.
"""
