"""What answers: packages, registries, the manager, formats and tasks.

`contract.py` is the seam to the HTTP side; nothing here knows of routes or of pydantic.
"""
