"""lambent: the AWS Lambda API with real, sandboxed execution on your own machine.

The rooms, from the street to the cellar, are drawn in docs/architecture.md; imports point down
that plan only. Start reading at `server.py`, which puts the rooms together.
"""

__version__ = "0.1.0"
