"""How a package's files are executed: one module per kind of file, all behind `Runner`."""
