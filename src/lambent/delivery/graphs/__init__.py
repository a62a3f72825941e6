"""A person's own ONNX file becomes a package of the inference server, checked by that server.

`steps.compile_graph` is the whole way: `facts` checks the file and reads what goes in and out,
`purpose` says what it is for, `evidence` reads rows or pictures to try it on, `served` has the
inference server itself answer them, `quantise` makes it smaller and `loss` says what that cost.
Everything heavy is imported inside functions, as in `compiling`.
"""
