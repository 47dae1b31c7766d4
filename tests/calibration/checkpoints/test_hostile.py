"""Files made to run something. Each is first given to Python's own unpickler, where it does."""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calibration.checkpoints import calls, read
from calibration.checkpoints.archive import read_archive
from calibration.checkpoints.calls import CALLS
from calibration.checkpoints.pickled import Global, Record, Storage, Tensor
from calibration.checkpoints.unpickler import Contents, unpickle
from edge.errors import ModelError

EXTENSION = 0x7B


class Call:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


def text(value):
    data = str(value).encode()
    return b"X" + struct.pack("<I", len(data)) + data


class Traps(types.ModuleType):
    """Classes that make a folder when they are made, given a state, or added to."""

    def __init__(self):
        super().__init__("traps")
        act = os.mkdir

        class New:
            def __new__(cls, path):
                act(path)
                return super().__new__(cls)

        class State:
            def __setstate__(self, path):
                act(path)

        class Items(dict):
            def __setitem__(self, key, path):
                act(path)

        class Values(list):
            def append(self, path):
                act(path)

            def extend(self, paths):
                act(*paths)

        for cls in (New, State, Items, Values):
            cls.__module__, cls.__qualname__ = "traps", cls.__name__
            setattr(self, cls.__name__, cls)


# From the folder that it makes to the pickle.
ATTACKS = {
    "a call, protocol 0": lambda path: pickle.dumps(Call(os.mkdir, path), 0),
    "a call, protocol 2": lambda path: pickle.dumps(Call(os.mkdir, path), 2),
    "a call by STACK_GLOBAL": lambda path: pickle.dumps(Call(os.mkdir, path), 4),
    "a call, protocol 5": lambda path: pickle.dumps(Call(os.mkdir, path), 5),
    "eval": lambda path: pickle.dumps(Call(eval, f"__import__('os').mkdir({path!r})"), 2),
    "exec": lambda path: pickle.dumps(Call(exec, f"import os; os.mkdir({path!r})"), 4),
    "a command": lambda path: (
        b"cos\nsystem\n"
        + text(f"{sys.executable} -c \"__import__('os').mkdir('{path}')\"")
        + b"\x85R."
    ),
    "deep in a model": lambda path: pickle.dumps({"model": {"a": [Call(os.mkdir, path)]}}, 2),
    "in place of the averaged weights": lambda path: pickle.dumps({"ema": Call(os.mkdir, path)}, 2),
    "getattr of an import": lambda path: (
        b"\x80\x02cbuiltins\ngetattr\ncbuiltins\n__import__\n"
        + (text("os") + b"\x85R" + text("mkdir") + b"\x86R" + text(path) + b"\x85R.")
    ),
    "a dotted name": lambda path: (
        b"\x80\x04" + text("os") + text("path.os.mkdir") + b"\x93" + (text(path) + b"\x85R.")
    ),
    "INST": lambda path: b"(S'" + path.encode() + b"'\nios\nmkdir\n.",
    "OBJ": lambda path: b"(cos\nmkdir\nS'" + path.encode() + b"'\no.",
    "parts from the memo": lambda path: (
        b"\x80\x02cos\nmkdir\nq\x07"
        + text(path)
        + b"r\xff\xff\x00\x00"
        + b"0" * 2
        + b"h\x07j\xff\xff\x00\x00\x85R."
    ),
    "the extension registry": lambda path: (
        b"\x80\x02\x82" + bytes([EXTENSION]) + text(path) + b"\x85R."
    ),
    "NEWOBJ": lambda path: b"\x80\x02ctraps\nNew\n" + text(path) + b"\x85\x81.",
    "NEWOBJ_EX": lambda path: b"\x80\x04ctraps\nNew\n" + text(path) + b"\x85}\x92.",
    "BUILD": lambda path: b"\x80\x02ctraps\nState\n)\x81" + text(path) + b"b.",
    "SETITEM": lambda path: b"\x80\x02ctraps\nItems\n)\x81K\x01" + text(path) + b"s.",
    "SETITEMS": lambda path: b"\x80\x02ctraps\nItems\n)\x81(K\x01" + text(path) + b"u.",
    "APPEND": lambda path: b"\x80\x02ctraps\nValues\n)\x81" + text(path) + b"a.",
    "APPENDS": lambda path: b"\x80\x02ctraps\nValues\n)\x81(" + text(path) + b"e.",
    "a reference out of the file": lambda path: (
        b"\x80\x02("
        + text("storage")
        + b"cos\nmkdir\n"
        + (text(path) + b"\x85R" + text("0") + text("cpu") + b"K\x01tQ.")
    ),
    "a function of torch that calls": lambda path: (
        b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cos\nmkdir\ncbuiltins\nobject\n"
        + (text(path) + b"\x85}tR.")
    ),
    "map": lambda path: (
        b"\x80\x02cbuiltins\nlist\ncbuiltins\nmap\ncos\nmkdir\n" + (text(path) + b"\x85\x86R\x85R.")
    ),
}


@pytest.fixture(autouse=True)
def traps(monkeypatch):
    monkeypatch.setitem(sys.modules, "traps", Traps())
    copyreg.add_extension("os", "mkdir", EXTENSION)
    yield
    copyreg.remove_extension("os", "mkdir", EXTENSION)
    copyreg.clear_extension_cache()


def as_python_does(data):
    class Loader(pickle.Unpickler):
        def persistent_load(self, _):
            return None

    try:
        return Loader(io.BytesIO(data)).load()
    except Exception as error:  # some attacks leave nonsense on the stack after the deed
        return error


def as_files(data, folder):
    """The pickle inside the two forms of checkpoint."""
    new, old = folder / "new.pt", folder / "old.pt"
    with zipfile.ZipFile(new, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3\n")
    head = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    old.write_bytes(b"".join(pickle.dumps(one, 2) for one in head) + data + pickle.dumps([], 2))
    return new, old


@pytest.mark.parametrize("name", ATTACKS)
def test_what_python_would_run_is_not_run(tmp_path, name):
    if "torch" in name:
        pytest.importorskip("torch")
    control, victim = tmp_path / "control", tmp_path / "victim"
    as_python_does(ATTACKS[name](str(control)))
    assert control.is_dir()  # the attack works
    data = ATTACKS[name](str(victim))
    for file in as_files(data, tmp_path):
        with pytest.raises(ModelError):
            read(file)
    try:
        contents = unpickle(io.BytesIO(data))
    except ModelError:
        contents = None
    assert not victim.exists()
    if contents is not None:
        assert contents.refused or "traps" in name or isinstance(contents.root, Record)


def test_a_refused_call_is_reported_and_the_rest_is_read(tmp_path):
    torch = pytest.importorskip("torch")
    from networks import trained

    victim = tmp_path / "victim"
    content = {"model": dict(trained("yolov6n-v2").state_dict()), "x": Call(os.mkdir, str(victim))}
    torch.save(content, tmp_path / "x.pt")
    result = read(tmp_path / "x.pt")
    assert result.refused in (("posix.mkdir",), ("nt.mkdir",))
    assert result.name == "yolov6n-v2"
    assert not victim.exists()


def test_state_given_to_a_function_changes_nothing():
    """Python's unpickler sets attributes of whatever a file names: here of this very module."""
    target = calls.mapping_of
    slots = b"}" + text("__defaults__") + b"K\x01\x85s"
    data = b"\x80\x02ccalibration.checkpoints.calls\nmapping_of\nN" + slots + b"\x86b."
    before = target.__defaults__
    try:
        as_python_does(data)
        assert target.__defaults__ == (1,)  # the attack works
    finally:
        target.__defaults__ = before
    contents = unpickle(io.BytesIO(data))
    assert target.__defaults__ == before
    assert contents.refused == ["attributes of calibration.checkpoints.calls.mapping_of"]
    assert isinstance(contents.root, Global)


def test_no_name_is_ever_imported(monkeypatch):
    def refuse(name, *_args):
        raise AssertionError(f"import of {name}")

    monkeypatch.setattr("builtins.__import__", refuse)
    contents = unpickle(io.BytesIO(b"\x80\x02cantigravity\nfly\n)R."))
    assert contents.refused == ["antigravity.fly"]


def test_only_plain_data_comes_out_of_the_allowed_calls():
    plain = (str, bytes, dict, list, tuple, set, frozenset, Record, Tensor)
    storage = Storage("0", "FloatStorage", 4)
    tensor = (storage, 0, (2, 2), (2, 1), False, OrderedDict())
    arguments = {
        "torch._utils._rebuild_tensor": tensor[:4],
        "torch._utils._rebuild_tensor_v2": tensor,
        "torch._utils._rebuild_tensor_v3": (*tensor, Global("torch.float16"), {}),
        "torch._utils._rebuild_parameter": (CALLS["torch._utils._rebuild_tensor"](*tensor), 1, {}),
        "torch._utils._rebuild_parameter_with_state": (
            CALLS["torch._utils._rebuild_tensor"](*tensor),
            True,
            {},
            {},
        ),
        "torch._tensor._rebuild_from_type_v2": (
            Global("torch._utils._rebuild_tensor_v2"),
            Global("torch.Tensor"),
            tensor,
            {},
        ),
        "copyreg._reconstructor": (Global("a.B"), Global("builtins.object"), None),
        "copyreg.__newobj__": (Global("a.B"),),
        "_codecs.encode": ("a", "latin1"),
        "builtins.set": ([1],),
        "builtins.frozenset": ([1],),
    }
    for name, function in CALLS.items():
        assert isinstance(function(*arguments.get(name, ())), plain), name


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not enough data|no end|exhausted"),
        (b"\x80\x02", "exhausted|no end"),
        (b"\x80\x02.", "empty stack"),
        (b"\x80\x02h\x05.", "damaged pickle"),
        (b"\x80\x02K\x01R.", "empty stack"),
        (b"\x80\x02K\x01K\x02R.", "calls something that is no function"),
        (b"\x80\x02u.", "a mark is missing"),
        (b"\x80\x02}(K\x01u.", "damaged pickle"),
        (b"\x80\x02}]K\x01s.", "a key is a name or a number, got list"),
        (b"\x80\x02](K\x01K\x02u.", "sets items of a list"),
        (b"\x80\x02K\x01K\x02a.", "appends to a int"),
        (b"\x80\x02K\x01Q.", "no storage of torch"),
        (b"\x80\x02K\x01K\x02\x93.", "by something that is no name"),
        (b"\x80\x02c\x1b[2J\nevil\n.", "by something that is no name"),
        (b"\x80\x02c_codecs\nencode\n]\x85R.", "something else than text"),
        (b"\x80\x02K\x01)\x81.", "no class"),
        (b"Pname\n.", "uses PERSID"),
        (b"\x80\x05\x97.", "uses NEXT_BUFFER"),
        (b"\x80\x02X\xff\xff\xff\x7fabc.", "damaged pickle"),
        (b"\x80\x02\x8b\xff\xff\xff\xff.", "damaged pickle"),
    ],
)
def test_nonsense_is_refused(data, why):
    with pytest.raises(ModelError, match=why):
        unpickle(io.BytesIO(data))


def test_keys_nested_without_end_do_not_overflow_the_stack():
    data = b"\x80\x02})" + b"\x85" * 1_000_000 + b"K\x01s."
    with pytest.raises(ModelError, match="a key is a name or a number, got tuple"):
        unpickle(io.BytesIO(data))


DEEP = b"]" + b"\x85" * 200_000  # no text of it can be made: the stack overflows


@pytest.mark.parametrize(
    "data",
    {
        "a key of a storage": b"("
        + text("storage")
        + b"ctorch\nFloatStorage\n%s"
        + text("cpu")
        + b"K\x01tQ",
        "a device": b"ctorch\ndevice\n%s\x85R",
        "a call": b"ca\nb\n%s\x85R",
        "a state": b"ca\nb\n)\x81}" + text("_modules") + b"%ssb",
        "entries": b"}" + text("epoch") + b"%ss",
        "a wrapped entry": b"}ca\nb\n%s\x85\x81K\x01s",
    }.items(),
    ids=lambda item: item[0],
)
def test_values_nested_without_end_are_never_made_into_text(tmp_path, data):
    pickled = b"\x80\x02" + data[1].replace(b"%s", DEEP) + b"."
    for file in as_files(pickled, tmp_path):
        with pytest.raises(ModelError):
            read(file)


def test_facts_of_a_model_that_are_no_facts_are_refused(tmp_path):
    torch = pytest.importorskip("torch")
    from networks import trained
    from upstream_files import Upstream, model

    deep = [[["x"]]]
    state = dict(trained("yolov7-tiny").state_dict())
    with Upstream() as upstream:
        tree = model(upstream, state)
        tree.names, tree.stride = [deep] * 80, torch.tensor([8.0, 16.0, 32.0])
        torch.save({"model": tree}, tmp_path / "names.pt")
        tree.names, tree.stride = None, [deep, 16, 32]
        torch.save({"model": tree}, tmp_path / "stride.pt")
        tree.stride = None
        normalization = next(m for m in tree.modules() if isinstance(m, torch.nn.BatchNorm2d))
        for i, eps in enumerate((deep, 0.0, 7.0, 0.5)):
            normalization.eps = eps
            torch.save({"model": tree}, tmp_path / f"eps{i}.pt")
        normalization.eps = 1e-3
        tree.model[0].act.negative_slope = deep
        torch.save({"model": tree}, tmp_path / "slope.pt")
    assert read(tmp_path / "names.pt").labels == ()
    with pytest.raises(ModelError, match=r"are wanted, found \[16, 32\]"):
        read(tmp_path / "stride.pt")
    for i in range(4):
        with pytest.raises(ModelError, match="no eps, or not all the same"):
            read(tmp_path / f"eps{i}.pt")
    with pytest.raises(ModelError, match="slope unknown"):
        read(tmp_path / "slope.pt")


def test_a_module_that_holds_itself_is_refused(tmp_path):
    data = (
        b"\x80\x02}"
        + text("model")
        + b"ca\nB\n)\x81q\x00}"
        + text("_modules")
        + (b"}" + text("again") + b"h\x00ssbs.")
    )
    assert isinstance(unpickle(io.BytesIO(data)).root, dict)
    with pytest.raises(ModelError, match="no end"):
        read(as_files(data, tmp_path)[0])


@pytest.mark.parametrize(
    ("offset", "shape", "strides", "why"),
    [
        (0, (2, 3), (3, 1), "beyond its storage"),
        (3, (2,), (1,), "beyond its storage"),
        (0, (1 << 40,), (0,), "beyond its storage"),
        (0, (2,), (1 << 60,), "beyond its storage"),
        (0, (2, 2), (2,), "strides"),
        (-1, (2,), (1,), "not made of"),
        (0, (-2,), (1,), "not made of"),
        (0, (2,), (-1,), "not made of"),
        (0, (1.5,), (1,), "not made of"),
        (0, (0,), (1,), "empty"),
        (0, (0, 1 << 62), (1, 1), "empty"),
        (0, (1,) * 100, (1,) * 100, "beyond its storage"),
    ],
)
def test_a_tensor_that_leaves_its_storage_is_refused(tmp_path, offset, shape, strides, why):
    def whole(value):
        return pickle.dumps(value, 2)[2:-1]

    data = (
        b"\x80\x02}"
        + text("backbone.stem.rbr_dense.conv.weight")
        + (b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage"))
        + (b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x04tQ")
        + (whole(offset) + whole(shape) + whole(strides) + b"\x89}tRs.")
    )
    file = tmp_path / "x.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", data)
        archive.writestr("a/data/0", bytes(16))

    def numbers():
        archive = read_archive(file)
        return [archive.array(tensor) for tensor in archive.contents.root.values()]

    with pytest.raises(ModelError, match=why):
        numbers()


SEED = pickle.dumps(
    {
        "epoch": 3,
        "names": ["a", "b"],
        "list": (1, 2.5, None, True, {4, 5}),
        "state": OrderedDict(a=1),
        "bytes": b"xyz",
        "call": Call(os.mkdir, "."),
    },
    2,
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(SEED) - 1), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, len(SEED)),
)
@example([(0, 0)], 0)
def test_damaged_pickles_give_data_or_our_error(changes, length):
    data = bytearray(SEED)
    for place, value in changes:
        data[place] = value
    for cut in (data, data[:length]):
        with suppress(ModelError):
            assert isinstance(unpickle(io.BytesIO(bytes(cut))), Contents)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_data_or_our_error(data):
    with suppress(ModelError):
        unpickle(io.BytesIO(data))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_numbers_give_our_error(tmp_path_factory, data):
    torch = pytest.importorskip("torch")
    file = tmp_path_factory.mktemp("damaged") / "x.pt"
    small = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(2).bfloat16(), "c": torch.ones(3)}
    torch.save(small, file, _use_new_zipfile_serialization=data.draw(st.booleans()))
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    with suppress(ModelError):
        archive = read_archive(file)
        root = archive.contents.root
        for value in root.values() if isinstance(root, dict) else ():
            if isinstance(value, Tensor):
                archive.array(value)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_give_our_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    whole = as_files(SEED, folder)[data.draw(st.integers(0, 1))].read_bytes()
    content = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file = folder / "x.pt"
    file.write_bytes(content)
    with pytest.raises(ModelError):  # even the whole file holds no model
        read(file)
