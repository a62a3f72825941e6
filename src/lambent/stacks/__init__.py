"""Stacks: CloudFormation, as far as functions need it.

`document` reads a template, `values` resolves its intrinsic functions, `graph` orders its resources,
`plan` says what a change would do, `runner` does it, kind by kind (`kinds/`), and takes it back when
it fails. A kind makes AWS API calls with boto3, Lambda's to this very server: what a stack makes is
what anybody could have made by hand, checked by the same rules. `rooms` is what the API gets.
"""
