"""The command line: one file per verb, loaded when it is called.

`main` finds the verb, `options` holds the flags that every verb takes, `output` prints. A verb
speaks to a server over boto3 or HTTP, never to the rooms of the server.
"""
