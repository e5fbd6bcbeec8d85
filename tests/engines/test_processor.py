import pytest

from knowngood.engines import processor
from knowngood.engines.processor import LIMIT, SETS, instruction_set


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ("fpu sse2 avx avx2 fma", "AVX2"),
        ("avx2 avx512f avx512dq", "AVX-512"),
        ("avx2 avx_vnni", "AVX-VNNI"),
        ("avx512f avx2 avx_vnni avx512_vnni", "AVX-512 VNNI"),
        ("avx512_vnni avx2 amx_int8 amx_tile", "AMX"),
    ],
)
def test_the_fastest_instruction_set_is_named(monkeypatch, flags, name):
    monkeypatch.delenv(LIMIT, raising=False)
    monkeypatch.setattr(processor, "processor", lambda field: flags)
    assert instruction_set() == name


def test_where_nothing_is_told_the_kind_of_processor_is_named(monkeypatch):
    monkeypatch.delenv(LIMIT, raising=False)
    monkeypatch.setattr(processor, "processor", lambda field: "")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert instruction_set() == "arm64"


def test_a_limit_that_the_user_set_is_named(monkeypatch):
    monkeypatch.setenv(LIMIT, "AVX2")
    assert instruction_set() == "AVX2 (ONEDNN_MAX_CPU_ISA)"


def test_this_machine_is_known(monkeypatch):
    monkeypatch.delenv(LIMIT, raising=False)
    if not processor.processor():
        pytest.skip("this system does not tell its processor's name")
    assert instruction_set() in SETS
