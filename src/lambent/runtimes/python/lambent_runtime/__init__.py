"""lambent's Python runtime: runs inside the sandbox on CPython 3.9 … 3.14, standard library alone.

It shares its process with a function, so it imports next to nothing: `json`, `logging`, `signal`
and `socket` would together triple the start of an interpreter (18 ms to 54 ms, tried). What it
needs of them it takes from their C halves; logging is set up when the function imports it.

    main.py       Init, then the invoke loop; the first file to read
    state.py      everything global, in one object (a template's forks will renew it)
    channel.py    frames in and out of descriptor 3 (runtimes/frames.py is the other end)
    codec.py      JSON as AWS's runtime client reads and writes it
    handler.py    from `_HANDLER` to a callable
    streams.py    what a generator yields, sent as it comes; imported with the first one
    failures.py   every error document, and how it reads in the log
    context.py    the context object
    records.py    the root logger's handler; imported once the function imports logging
    forks.py      children of the function neither speak for it nor miss a SIGTERM
    hooks.py      what happens when a function imports logging or multiprocessing
"""
