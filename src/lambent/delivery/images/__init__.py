"""Container images made without Docker and without root; `build.build` is what others call."""
