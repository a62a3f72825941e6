"""The runtime table, interpreters, and the code that runs inside sandboxes."""
