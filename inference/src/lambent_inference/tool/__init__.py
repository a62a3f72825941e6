"""`python -m lambent_inference.tool`: what `lambent model` runs to make, move and look at packages.

It lives here because the package's format does; the command line only passes arguments on and prints.
"""
