from lambent.api.cloudwatch_logs import model
from lambent.api.document import FILE, text


def test_the_document_is_current():
    assert FILE.read_text() == text(), "run `python -m lambent.api.document`"


def test_it_lists_every_operation(service):
    functions, logs = text().split("## CloudWatch Logs")
    for section, operations in ((functions, service.operations), (logs, model().operations)):
        rows = section.splitlines()
        for name in operations:
            assert sum(row.startswith(f"| {name} |") for row in rows) == 1
