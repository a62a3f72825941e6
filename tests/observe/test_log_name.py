import re

from lambent.observe.log_name import new_stream_name


def test_a_stream_name_is_the_day_the_version_and_32_hex():
    name = new_stream_name(1_700_000_000_000, "$LATEST")
    assert re.fullmatch(r"2023/11/14/\[\$LATEST\][0-9a-f]{32}", name)
    assert new_stream_name(1_700_000_000_000, "7", "0" * 32) == "2023/11/14/[7]" + "0" * 32
    assert new_stream_name(0, "1") != new_stream_name(0, "1")
