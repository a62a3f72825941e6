"""What runs: dispatcher, routing, admission, pool, environment and the runtime transports."""
