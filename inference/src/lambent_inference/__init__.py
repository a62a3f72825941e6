"""The inference server that runs inside a Lambda function, on lambent or on AWS.

It never imports `lambent`: it must fit a slim image and import in well under a second.
"""

__version__ = "0.1.0"
