"""The lists of words: they find what they are for, and nothing is left that they find."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import surroundings
import words

from edge.cli import COMMANDS, _parsers


@pytest.fixture(autouse=True)
def _git(monkeypatch):
    """The machine's programs, of which git is one."""
    monkeypatch.setenv("PATH", surroundings.MACHINE["PATH"])


def test_nothing_is_left_to_find():
    assert words.findings() == []


@pytest.mark.parametrize(
    "code",
    [
        "found = 1",
        "def f(wanted): ...",
        "x.stored",
        "f(moves=1)",
        "class Patience: ...",
        "from a import Ring",
        "import b as told",
        "def rebase(): ...",
    ],
)
def test_a_name_of_the_list_is_found(code):
    assert len(list(words.names(code))) == 1


def test_names_of_others_and_longer_ones_are_not():
    assert list(words.names("stream.tell(); foundation = unwanted = 1")) == []


@pytest.mark.parametrize("line", ["a Picture", "the pictures.", "// colours", "x_artefact", "anew"])
def test_a_word_of_the_list_is_found(line):
    assert [word for _, word, _ in words.prose(line)]


def test_a_british_spelling_is_found(tmp_path):
    file = tmp_path / "page.md"
    file.write_text("It is optimised, with favour.\n")
    assert len(words.spelling([file])) == 2


def test_no_option_is_worded_otherwise():
    _, commands = _parsers([])
    assert commands.keys() == COMMANDS.keys()
    for name, parser in commands.items():
        options = [o for action in parser._actions for o in action.option_strings]
        text = parser.format_help() + " ".join(options)
        assert list(words.prose(text)) == [], name
        assert isinstance(parser, argparse.ArgumentParser)


def test_every_kind_of_text_is_looked_at():
    suffixes = {file.suffix for file in words.files()}
    assert {".py", ".md", ".cpp", ".h", ".inl", ".toml"} <= suffixes
    assert Path("README.md") in words.files()
