from lambent.api.document import FILE, text


def test_the_document_is_current():
    assert FILE.read_text() == text(), "run `python -m lambent.api.document`"


def test_it_lists_every_operation(service):
    rows = text().splitlines()
    for name in service.operations:
        assert sum(row.startswith(f"| {name} |") for row in rows) == 1
