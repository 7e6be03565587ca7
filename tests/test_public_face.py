"""What `import magictel` offers: exactly `__all__`, each loaded when it is asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import magictel


@pytest.mark.parametrize("name", magictel.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(magictel, name) is not None
    assert name in dir(magictel)


def test_the_face_is_what_type_checkers_see_and_what_is_loaded() -> None:
    tree = ast.parse(Path(magictel.__file__).with_suffix(".pyi").read_text())
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module != "__future__"]
    seen = {(node.module, alias.name) for node in imports for alias in node.names}
    assert seen == {(home, name) for home, names in magictel._HOMES.items() for name in names}
    shown = next(node for node in tree.body if isinstance(node, ast.Assign))
    assert sorted(ast.literal_eval(shown.value)) == magictel.__all__
    assert sorted(magictel.__all__) == sorted([*(name for _, name in seen), "__version__"])


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Exportr'"):
        _ = magictel.Exportr
    assert not hasattr(magictel, "Exportr")


def test_importing_magictel_loads_nothing_else() -> None:
    code = "import sys, __future__, typing, importlib; before = set(sys.modules); import magictel; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["magictel"]


def test_the_version_is_the_package_s() -> None:
    text = (Path(magictel.__file__).parent.parent / "pyproject.toml").read_text()
    assert f'version = "{magictel.__version__}"' in text
