"""How a function is isolated. `spec.py` says what every kind of sandbox promises."""
