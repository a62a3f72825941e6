"""What `lambent dev` is made of: a loop that waits for saves, keys, log lines and signals at once.

`session` is the loop; `bench` brings one function live again; `watch`, `keys`, `tail` and
`own_server` are what it waits for; `screen` is where everything is said; `debugger` is `--debug`.
"""
