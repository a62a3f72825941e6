"""One file per resource; each operation reads like its AWS page."""
