"""The front door: AWS's HTTP API, driven by botocore's Lambda service model.

A request goes `app` → `route` → `auth` → `parse` → `validate` → `operations/<resource>` →
`serialise`; errors are rendered in `errors` alone. Invoke takes the short way: `app` →
`operations/invoke`.
"""
