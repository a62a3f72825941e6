"""CloudWatch Logs' filter patterns: `pattern.compile_pattern` is the entrance."""
