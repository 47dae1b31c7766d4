from __future__ import annotations

import io
import random
import zipfile

import pytest

from edge.formats import appended

MODEL = b"\x1c\x00\x00\x00TFL3" + bytes(200)


def with_zip(files, method=zipfile.ZIP_DEFLATED):
    held = io.BytesIO(MODEL)
    held.seek(0, io.SEEK_END)
    with zipfile.ZipFile(held, "a", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_texts_are_read_and_other_files_passed_over(method):
    model = with_zip({"metadata.json": '{"task": "detect"}', "b.bin": b"\xff\xfe\x00"}, method)
    texts, warnings = appended.texts(model)
    assert dict(texts) == {"metadata.json": '{"task": "detect"}'}
    assert warnings == ()


def test_a_model_without_one():
    assert appended.texts(MODEL) == ({}, ())


def test_what_is_damaged_is_a_warning():
    model = bytearray(with_zip({"a.txt": "one\n" * 99}))
    model[len(MODEL) + 36] ^= 0xFF  # of what is compressed
    texts, (warning,) = appended.texts(bytes(model))
    assert dict(texts) == {}
    assert "damaged and left out: a.txt: " in warning


def test_too_many_or_too_large_is_no_metadata():
    model = with_zip({f"{i}.txt": "x" for i in range(100)} | {"0.txt": "y" * (2 << 20)})
    texts, warnings = appended.texts(model)
    assert len(texts) == 63
    assert "0.txt" not in texts
    assert warnings == ()


def test_no_damage_raises():
    """Thousands of files with some bytes changed, cut off, or repeated."""
    rng = random.Random(0)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        whole = with_zip({"metadata.json": '{"names": {0: "a"}}', "labels.tät": "a\nb\n"}, method)
        for _ in range(1500):
            data = bytearray(whole)
            for _ in range(rng.randint(1, 6)):
                data[rng.randrange(len(MODEL), len(data))] = rng.randrange(256)
            if rng.random() < 0.2:
                del data[rng.randrange(len(MODEL), len(data)) :]
            texts, warnings = appended.texts(bytes(data))
            assert all(isinstance(text, str) for text in (*texts.values(), *warnings))
