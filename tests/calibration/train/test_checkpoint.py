from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from calibration.checkpoints.training_recipe import Recipe  # noqa: E402
from calibration.nets.config import NETS  # noqa: E402
from calibration.nets.network import network  # noqa: E402
from calibration.train.checkpoint import Checkpoint, read, write  # noqa: E402
from edge.errors import ModelError  # noqa: E402

CONFIG = replace(NETS["yolov6n-v2"], classes=2)


@pytest.fixture
def saved():
    return Checkpoint(CONFIG, Recipe(), ("a", "b"), network(CONFIG).state_dict())


def test_a_checkpoint_survives_its_file(tmp_path, saved):
    write(saved, tmp_path / "x.pt")
    result = read(tmp_path / "x.pt")
    assert (result.config, result.recipe, result.labels) == (CONFIG, Recipe(), ("a", "b"))
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        ours, theirs = saved.network()(x), result.network()(x)
    assert all(torch.equal(a.classes, b.classes) for a, b in zip(ours, theirs, strict=True))


def test_half_precision_tensors_make_a_network_in_single(tmp_path, saved):
    halved = {k: v.half() if v.is_floating_point() else v for k, v in saved.model.items()}
    write(replace(saved, model=halved), tmp_path / "x.pt")
    assert next(read(tmp_path / "x.pt").network().parameters()).dtype == torch.float32


class Trap:
    def __reduce__(self):
        return (open, ("trapped", "w"))


def test_a_file_that_would_run_something_is_refused_and_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"edge": Trap(), "model": {}, "state": {}}, tmp_path / "x.pt")
    with pytest.raises(ModelError, match=r"x\.pt: not a checkpoint"):
        read(tmp_path / "x.pt")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("content", [b"", b"words", pickle.dumps({"edge": "{}"})])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(ModelError, match=r"x\.pt: not a checkpoint"):
        read(tmp_path / "x.pt")


def test_a_cut_off_file_is_refused(tmp_path, saved):
    write(saved, tmp_path / "x.pt")
    whole = (tmp_path / "x.pt").read_bytes()
    (tmp_path / "x.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"x\.pt: not a checkpoint"):
        read(tmp_path / "x.pt")


def test_other_tensors_of_torch_are_refused(tmp_path):
    torch.save({"model": {}}, tmp_path / "x.pt")
    with pytest.raises(ModelError, match=r"x\.pt: not a checkpoint"):
        read(tmp_path / "x.pt")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"x\.pt: No such file"):
        read(tmp_path / "x.pt")


def test_what_cannot_be_written_leaves_nothing(tmp_path, saved):
    with pytest.raises(ModelError, match="cannot be written"):
        write(saved, tmp_path / "nowhere" / "x.pt")
    assert list(tmp_path.iterdir()) == []
