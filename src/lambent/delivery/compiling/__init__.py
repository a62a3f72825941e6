"""A trained model becomes an ONNX package that has proved itself equal, or its native package.

`steps.compile_model` is the whole way: `sample` reads the model and rows, `refusals` names what is
known to convert wrongly, `convert` makes the graph, `probes` the rows to try and `gate` the verdict;
`packaging` writes the folder. Everything heavy (scikit-learn, skl2onnx) is imported inside functions:
`pip install lambent[compile]` brings it, and the command line starts without it.
"""
