"""What stands here stands at /var/runtime inside a Python sandbox (see runtime_dir.py)."""
