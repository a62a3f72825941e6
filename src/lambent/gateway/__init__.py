"""Functions behind plain HTTP: function URLs, and the events of API Gateway and of a load balancer.

A request comes in from `http/`; `function_url.py` or `routes.py` decides whose it is and whether it
may; `event_*.py` makes the event that a framework expects; the engine runs it; `answer_*.py` makes
the response of what came back. One flavour of event per file, so that each reads like its AWS page.
"""
