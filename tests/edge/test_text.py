from __future__ import annotations

from edge.text import printable


def test_a_name_cannot_steer_the_terminal():
    assert printable("ok ü\x1b[2J\n\udcff") == "ok ü\\x1b[2J\\n\\udcff"
