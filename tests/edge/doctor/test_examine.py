from __future__ import annotations

from edge.doctor import examine as module
from edge.doctor.examine import examine
from edge.doctor.finding import Finding


def test_a_check_that_fails_itself_is_a_finding_and_the_rest_goes_on(monkeypatch, tmp_path):
    def broken(root):
        yield Finding("first", "ok", "fine")
        raise KeyError("strange machine")

    def fine(root):
        yield Finding("last", "ok", str(root))

    monkeypatch.setattr(module, "CHECKS", {"broken": broken, "fine": fine})
    found = list(examine(tmp_path))
    assert [finding.check for finding in found] == ["first", "broken", "last"]
    assert (found[1].level, "strange machine" in found[1].what) == ("warning", True)
    assert found[2].what == str(tmp_path)
