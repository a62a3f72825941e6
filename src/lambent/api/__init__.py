"""The front door: AWS's HTTP API, driven by botocore's Lambda service model.

A request goes `app` → `route` → `parse` → `validate` → `auth` → `operations/<resource>` →
`serialise`; errors are rendered in `errors` alone. Invoke takes the short way in `hot_path`.
"""
