"""What no module may do, read from the source: unpickle, evaluate a text, or be reached by other machines."""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
FORBIDDEN = {
    # bytes that become objects or code
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "multiprocessing",
    "recv_pyobj", "send_pyobj", "read_pickle", "to_pickle", "eval", "exec", "__import__",
    # loaders that make objects
    "unsafe_load", "full_load", "UnsafeLoader", "FullLoader", "Loader", "add_constructor",
    # what listens, or runs on a loop of its own
    "asyncio", "socket.socket", "socketserver", "http.server", "xmlrpc",
}  # fmt: skip
ALLOWED = {"controller/monitor/serve.py": {"socket.socket"}}
"""It hands its listener around, by its type."""
OPENS_PORTS = {"controller/monitor/serve.py": 1, "controller/stream/wire.py": 1, "drivers/guard.py": 1}
"""Calls that open a port, by module."""


@pytest.fixture(scope="module")
def trees():
    """Every module of the program, by its path."""
    packages = ("analysis", "controller", "drivers", "simulators")
    paths = [path for package in packages for path in (REPOSITORY / package).rglob("*.py")]
    return {
        path.relative_to(REPOSITORY).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths
    }


def names(tree: ast.AST) -> set[str]:
    """Return every name, attribute and module that a piece of source uses, and the beginnings of them."""
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            used.add(node.id)
        elif isinstance(node, ast.Attribute):
            used |= {node.attr, f"{getattr(node.value, 'id', '')}.{node.attr}"}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            parent = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for parts in ((parent + alias.name).split(".") for alias in node.names):
                used |= {".".join(parts[:n]) for n in range(1, len(parts) + 1)} | {parts[-1]}
    return used


def forbidden(tree: ast.AST) -> set[str]:
    """Return what a piece of source does that none may do."""
    loads = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and may_unpickle(node)]
    return (names(tree) & FORBIDDEN) | {ast.unparse(load) for load in loads}


def may_unpickle(call: ast.Call) -> bool:
    """Say whether a call reads with a library that unpickles, or starts a shell, unless told not to."""
    told = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    name = ast.unparse(call.func)
    numpy_load = name in ("np.load", "numpy.load") and "allow_pickle" not in told
    return (
        numpy_load or told.get("allow_pickle", "False") != "False" or "shell" in told or name == "yaml.load"
    )


def test_nothing_is_unpickled_evaluated_or_served(trees):
    found = {name: forbidden(tree) - ALLOWED.get(name, set()) for name, tree in trees.items()}
    assert len(found) > 200
    assert not {name: what for name, what in found.items() if what}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import pickle as p",
        "import joblib.numpy_pickle",
        "from zmq import asyncio",
        "import zmq.asyncio",
        "from http.server import HTTPServer",
        "import socket\nsocket.socket()",
        "peer.recv_pyobj()",
        "np.load(path)",
        "np.load(path, mmap_mode='r', allow_pickle=True)",
        "np.save(path, a, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "yaml.parse(text, Loader=yaml.UnsafeLoader)",
        "yaml.unsafe_load(text)",
        "eval(text)",
        "exec(text)",
        "__import__('os')",
        "subprocess.run(text, shell=True)",
    ],
)
def test_what_is_forbidden_is_found(source):
    assert forbidden(ast.parse(source))


@pytest.mark.parametrize(
    "source", ["re.compile(x)", "np.load(f, allow_pickle=False)", "json.load(f)", "yaml.SafeLoader"]
)
def test_what_is_allowed_is_not(source):
    assert not forbidden(ast.parse(source))


def test_ports_are_opened_in_three_places_and_for_this_machine_alone(trees):
    opened = {}
    for name, tree in trees.items():
        calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
        opening = ("bind", "bind_to_random_port", "listen", "create_server")
        binds = [call for call in calls if call.func.attr in opening]
        binds = [ast.unparse(call) for call in binds if getattr(call.func.value, "id", "socket") == "socket"]
        opened |= {name: binds} if binds else {}
        texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        assert not [text for text in texts if "0.0.0.0" in text or "tcp://*" in text or "ipc://" in text]  # noqa: S104
    assert {name: len(binds) for name, binds in opened.items()} == OPENS_PORTS
    assert all("LOOPBACK" in bind for binds in opened.values() for bind in binds)


def test_no_option_and_no_key_names_a_host():
    schemas = (REPOSITORY / "protocols" / "protocol.schema.json").read_text(encoding="utf-8")
    told = schemas + (REPOSITORY / "controller" / "cli" / "app.py").read_text(encoding="utf-8")
    told += (REPOSITORY / "controller" / "config" / "rig.py").read_text(encoding="utf-8")
    told = told.replace("port: Port = None", "")  # of `monitor`, on this machine as all others
    assert not {"--host", "--bind", "--port", '"host"', '"port"', '"endpoint"', "host:", "port:"} & set(
        told.split()
    )
