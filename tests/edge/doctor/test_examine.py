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
    results = list(examine(tmp_path))
    assert [finding.check for finding in results] == ["first", "broken", "last"]
    assert (results[1].level, "strange machine" in results[1].what) == ("warning", True)
    assert results[2].what == str(tmp_path)
