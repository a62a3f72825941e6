"""Whether what functions name in other AWS services is looked up, and where."""

from __future__ import annotations

from lambent.control.aws_clients import AwsClients
from lambent.control.companions import CHECKED
from lambent.doctor.finding import Finding, Machine, Probe


def look(machine: Machine) -> Finding:
    clients = AwsClients(machine.settings, machine.environ)
    asked = {service: clients.endpoint(service) for service in CHECKED}
    places = sorted({endpoint for endpoint in asked.values() if endpoint})
    if not places:
        return Finding(
            "ok",
            "no AWS endpoint: roles, VPCs, keys and queues that functions name are not looked up, "
            "and functions get credentials that are issued here",
        )
    missing = [service for service, endpoint in asked.items() if endpoint is None]
    said = f"what functions name is looked up at {', '.join(places)}"
    return Finding("ok", said + (f"; not {', '.join(missing)}" if missing else ""))


PROBE = Probe("companion services", look)
