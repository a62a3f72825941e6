"""Sealed documents: opened by their key alone, and nothing of them readable without."""

import pytest

from lambent.errors import ConfigurationError
from lambent.store.sealing import Sealer


def test_what_is_sealed_is_opened_by_its_key_alone():
    sealer, document = Sealer(b"k" * 32), b'{"password": "x"}'
    sealed = sealer.sealed(document)
    assert b"password" not in sealed
    assert sealer.sealed(document) != sealed
    assert sealer.opened(sealed) == document
    for other, text in ((Sealer(b"o" * 32), sealed), (sealer, sealed[:-1] + b"?")):
        with pytest.raises(ConfigurationError) as caught:
            other.opened(text)
        assert caught.value.code == "STORE_KEY_WRONG"


def test_what_was_written_before_there_was_a_key_is_read():
    assert Sealer(b"k" * 32).opened(b"{}") == b"{}"
