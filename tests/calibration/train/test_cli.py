from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from edge import package
from edge.cli import main

torch = pytest.importorskip("torch", reason="training needs the extra train")
cv2 = pytest.importorskip("cv2")


@pytest.fixture
def data(tmp_path):
    """A YOLO folder of two classes, with the splits train and val."""
    root = tmp_path / "data"
    for split, count in (("train", 4), ("val", 2)):
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for i in range(count):
            image = np.full((48, 64, 3), 60 * i, np.uint8)
            cv2.imwrite(str(root / "images" / split / f"{i}.png"), image)
            (root / "labels" / split / f"{i}.txt").write_text(f"{i % 2} 0.5 0.5 0.4 0.4\n")
    (root / "data.yaml").write_text("names: [cap, label]\n")
    return root


def run(*words):
    return main(["train", "--imgsz", "64", "--batch", "2", "--threads", "1", *map(str, words)])


def test_a_training_leaves_its_files_and_says_where(data, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("--data", data, "-o", out, "--epochs", 2) == 0
    expected = {"best.pt", "best.onnx", "best.edge", "last.pt", "log.csv", "curve.svg"}
    assert {p.name for p in out.iterdir()} == expected
    shown = capsys.readouterr().err
    assert "data: train 4 images (4 objects), val 2 images (2 objects)" in shown
    assert "4 images, 2 held out, 2 classes; 64x64, 2 epochs of batches of 2; cpu" in shown
    assert "epoch 2/2" in shown
    assert f"to {out}" in shown
    assert (out / "log.csv").read_text().splitlines()[0].startswith("epoch,class,box,")


def test_a_training_is_not_begun_over_another(data, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("--data", data, "-o", out, "--epochs", 1) == 0
    assert run("--data", data, "-o", out, "--epochs", 1) == 2
    assert "--resume goes on with it" in capsys.readouterr().err
    assert run("--data", data, "-o", out, "--resume") == 0
    assert "going on after epoch 1" in capsys.readouterr().err


def test_fine_tuning_takes_over_what_fits(data, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    assert run("--data", data, "-o", first, "--epochs", 1) == 0
    weights = first / "best.pt"
    assert run("--data", data, "-o", second, "--epochs", 1, "--weights", weights) == 0
    whole = len(__import__("calibration.train.checkpoint", fromlist=["read"]).read(weights).model)
    assert f"{weights}: {whole} of {whole} tensors taken over" in capsys.readouterr().err


def test_a_network_learns_from_a_teacher(data, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    assert run("--data", data, "-o", first, "--epochs", 1) == 0
    teacher = ["--teacher", first / "best.pt"]
    assert run("--data", data, "-o", second, "--epochs", 1, *teacher) == 0
    assert "channel" in (second / "log.csv").read_text().splitlines()[0]
    other = ["--arch", "yolov7-tiny", "-o", tmp_path / "third", *teacher]
    assert run("--data", data, *other) == 2
    assert "of another family" in capsys.readouterr().err
    wide = ["--arch", "yolov6s-v2", "-o", tmp_path / "third", *teacher]
    assert run("--data", data, *wide) == 2
    assert "--distill head does not need them" in capsys.readouterr().err


def test_a_rounded_training_goes_on_from_a_result_to_one_that_converts(data, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    assert run("--data", data, "-o", first, "--epochs", 1) == 0
    words = ["--data", data, "-o", second, "--epochs", 1, "--qat"]
    assert run(*words) == 2
    assert "name its best.pt with --weights" in capsys.readouterr().err
    assert run(*words, "--weights", first / "best.pt", "--precision", "bf16") == 2
    assert not second.exists()
    capsys.readouterr()
    assert run(*words, "--weights", first / "best.pt") == 0
    shown = capsys.readouterr().err
    assert ": 118 of 118 tensors taken over" in shown
    assert "fp32, rounded to 8 bits" in shown
    assert package.read(second / "best.edge").provenance["training"]["qat"] is True
    assert main(["convert", str(second / "best.pt"), "-o", str(tmp_path / "made.edge")]) == 0
    made = package.read(tmp_path / "made.edge").spec
    assert (made.labels, str(made.input)) == (("cap", "label"), "64x64")  # nothing to be said again
    assert main(["convert", str(second / "last.pt"), "-o", str(tmp_path / "last.edge")]) == 0
    assert run("--data", data, "-o", tmp_path / "third", "--weights", second / "best.pt") == 2
    assert "is deployed: its blocks are folded" in capsys.readouterr().err
    more = ["--data", data, "-o", tmp_path / "third", "--epochs", 1, "--qat"]
    assert run(*more, "--weights", second / "best.pt") == 0


def test_a_rounded_training_wants_the_classes_that_were_learned(data, tmp_path, capsys):
    assert run("--data", data, "-o", tmp_path / "first", "--epochs", 1) == 0
    (data / "data.yaml").write_text("names: [cap, lid]\n")
    weights = ["--weights", tmp_path / "first" / "best.pt", "--qat"]
    assert run("--data", data, "-o", tmp_path / "second", *weights) == 2
    assert "has the classes cap, label, the data cap, lid" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--imgsz", "100"], "multiple of 32, got 100"),
        (["--val", "nowhere"], "nowhere: no such file or folder"),
        (["--weights", "nowhere.pt"], "nowhere.pt: No such file"),
        (["--resume"], "last.pt: No such file"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_made(
    data, tmp_path, capsys, words, message
):
    out = tmp_path / "out"
    assert run("--data", data, "-o", out, *words) != 0
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_data_without_held_out_images_is_refused(data, tmp_path, capsys):
    assert run("--data", f"{data}?split=val", "-o", tmp_path / "out") == 2
    assert "no split val (found: train, val); --val names the held" in capsys.readouterr().err
    (data / "data.yaml").write_text("train: images/train\nval: images/train\nnames: [a, b]\n")
    assert run("--data", data, "-o", tmp_path / "out") == 1
    assert "all 4 images to learn from are held out to judge by" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_data_file_that_is_named_is_obeyed(data, tmp_path, capsys):
    (data / "aaa.yaml").write_text("names: [wrong, names]\n")
    (data / "list.txt").write_text("images/train/0.png\nimages/train/1.png\nimages/val/0.png\n")
    named = data / "named.yaml"
    named.write_text("train: list.txt\nvalid: ../images/val\ntest: gone\nnames: [cap, label]\n")
    assert run("--data", named, "-o", tmp_path / "out", "--epochs", 1) == 0
    shown = capsys.readouterr().err
    assert "train 2 images (2 objects), valid 2 images (2 objects); left out: 1 image that" in shown
    assert f"note: {named}: 'test' is 'gone'" in shown
    assert package.read(tmp_path / "out" / "best.edge").spec.labels == ("cap", "label")


def test_the_missing_extra_is_named_and_help_does_without():
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from edge.cli import main\n"
        "sys.exit(main(['train', '--data', 'x', '-o', 'out']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert "edge-yolo[train]" in done.stderr
    script = (
        "import sys\nfrom edge.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True).returncode == 0
