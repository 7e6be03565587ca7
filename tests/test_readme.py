"""README and the guide are held against the code: their tables are what the settings say, their commands exist.

`python -m tests.test_readme` writes the generated parts anew.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from magictel.catalogue.builtin_exporters import BUILT_IN
from magictel.catalogue.retry import RETRY
from magictel.cli.explain import outcomes
from magictel.guide import topics
from magictel.registry import entry_points
from magictel.scaffold.project import Names, files
from magictel.settings.describe import option_rows
from magictel.settings.fields import toml_value
from magictel.settings.model import ExporterSettings, HttpSettings
from tests.cli.running import magictel
from tests.documents import DOCUMENTS, ROOT, blocks, text

SENTENCES = {
    "name": "The name that commands use",
    "summary": "One line for `list`",
    "Settings": "The settings model",
    "method": "The method of the request that carries a payload",
    "content_type": "The content type of a payload, unless its route names one",
}
"""For class attributes that have no sentence of their own."""
SCAFFOLD = ("settings", "encode", "split", "columns", "constants", "judge", "writes", "expect", "seen")
BLOCK = re.compile(r"(<!-- generated: ([a-z._-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(rows: list[dict[str, Any]], variable: str | None = None) -> str:
    lines = ["| key | variable | default | |", "|---|---|---|---|"]
    for row in rows:
        names = (
            ", ".join(f"`{name}`" for name in row["env"]) if variable is None else f"`{variable}{row['name'].upper()}`"
        )
        default = "required" if row["required"] else f"`{row['default']}`" if row["default"] else ""
        secret = " Secret." if row["secret"] else ""
        lines.append(f"| `{row['name']}` | {names} | {default} | {row['description'].replace('|', '/')}{secret} |")
    return "\n".join(lines) + "\n"


def own_options(exporter: str) -> str:
    """The exporter's own options, and shared ones whose default or variables are its own."""
    model = entry_points.load(exporter).Settings
    sends = issubclass(model, ExporterSettings)
    shared = {row["name"]: row["default"] for row in option_rows(HttpSettings)} if sends else {}
    return table(
        [
            row
            for row in option_rows(model)
            if row["default"] != shared.get(row["name"], ...)
            or row["env"] != (f"{model.env_prefix}{row['name']}".upper(),)
        ]
    )


def presets(exporter: str) -> str:
    """Return a row for each preset of an exporter."""
    lines = ["| preset | sets |", "|---|---|"]
    for name, values in entry_points.load(exporter).Settings.presets.items():
        lines.append(f"| `{name}` | {', '.join(f'`{key} = {toml_value(value)}`' for key, value in values.items())} |")
    return "\n".join(lines) + "\n"


def printed(*words: str) -> str:
    """Return a block with what a command prints."""
    command = [sys.executable, "-m", "magictel", *words]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return f"```\n{ran.stdout.rstrip()}\n```\n"


def retry_classes() -> str:
    lines = ["| class | sending the same again helps | occurs with |", "|---|---|---|"]
    lines += [f"| `{name}` | {means} | {', '.join(outcomes(name))} |" for name, means in RETRY.items()]
    return "\n".join(lines) + "\n"


def listed_topics() -> str:
    lines = ["| topic | |", "|---|---|"]
    for name in topics.TOPICS:
        page = topics.topic(name)
        assert page is not None
        lines.append(f"| [{name}](magictel/guide/{name}.md) | {page.summary} |")
    return "\n".join(lines) + "\n"


def packages() -> str:
    """Every package, top to bottom as the import contract has them, with the first sentence of its docstring."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    lines = ["| package | contents |", "|---|---|"]
    for layer in contracts[0]["layers"]:
        for name in layer.split(" | "):
            package, module = (ROOT / "magictel" / name / "__init__.py", ROOT / "magictel" / f"{name}.py")
            docstring = ast.get_docstring(ast.parse((package if package.exists() else module).read_text())) or ""
            lines.append(f"| `{name}` | {' '.join(docstring.partition(chr(10) * 2)[0].split())} |")
    return "\n".join(lines) + "\n"


def excerpt(name: str) -> str:
    """Return a function or class of the package that `magictel new exporter --http` writes, which its own tests hold to every law."""
    written = files(Names("acme"), "http")
    for part in ("settings", "encoding", "exporter"):
        source = written[f"acme_exporter/{part}.py"]
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name.lower() in (name, f"acme{name}"):
                first = min((decorator.lineno for decorator in node.decorator_list), default=node.lineno)
                lines = source.splitlines()[first - 1 : node.end_lineno]
                return f"```python\n{textwrap.dedent(chr(10).join(lines))}\n```\n"
    raise LookupError(name)


OWNERS = {
    "attributes": (
        ("plugin/interface.py", "Described"),
        ("plugin/interface.py", "Authored"),
        ("plugin/http_interface.py", "HttpAuthored"),
    ),
    "methods": (
        ("plugin/interface.py", "Described"),
        ("plugin/interface.py", "Authored"),
        ("plugin/http_interface.py", "HttpAuthored"),
    ),
    "encoder": (("plugin/interface.py", "Encoder"),),
    "readback": (("plugin/interface.py", "ReadBack"),),
}
"""Where the classes are whose members an author may write."""


def _members(kind: str) -> Iterator[tuple[str, str, bool]]:
    """Yield the class attributes or methods that an author may write, what each is for, and whether it must be written."""
    seen = set()
    for path, owner in OWNERS[kind]:
        source = (ROOT / "magictel" / path).read_text()
        (body,) = [
            node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == owner
        ]
        for node, after in zip(body, [*body[1:], None], strict=True):
            if isinstance(node, ast.AnnAssign) and kind == "attributes" and "ClassVar" in ast.unparse(node.annotation):
                name, must, sentence = ast.unparse(node.target), node.value is None, ""
                if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                    sentence = str(after.value.value)
            elif isinstance(node, ast.FunctionDef) and kind != "attributes" and not node.name.startswith("_"):
                if any("cached_property" in ast.unparse(decorator) for decorator in node.decorator_list):
                    continue
                name, sentence = node.name, ast.get_docstring(node) or ""
                must = any("abstract" in ast.unparse(decorator) for decorator in node.decorator_list)
            else:
                continue
            if name not in seen:
                seen.add(name)
                yield name, " ".join(sentence.split()).partition(". ")[0].rstrip("."), must


def members(kind: str) -> str:
    lines = ["| name | what for |", "|---|---|"]
    for name, sentence, must in _members(kind):
        shown = (sentence or SENTENCES.get(name, "")).replace("|", "/")
        lines.append(f"| {f'**`{name}`**' if must else f'`{name}`'} | {shown} |")
    return "\n".join(lines) + "\n"


def generated(name: str) -> str:
    delivery = {row["name"] for row in option_rows(ExporterSettings)}
    if name == "settings-delivery":
        return table(list(option_rows(ExporterSettings)), "<PREFIX>_")
    if name == "settings-http":
        return table([row for row in option_rows(HttpSettings) if row["name"] not in delivery], "<PREFIX>_")
    if name.startswith("help"):
        return printed(*name.removeprefix("help").strip("-").split(), "--help")
    if name.startswith("scaffold-"):
        return excerpt(name.removeprefix("scaffold-"))
    if name.startswith("presets-"):
        return presets(name.removeprefix("presets-"))
    if name in OWNERS:
        return members(name)
    parts = {"retry": retry_classes, "topics": listed_topics, "packages": packages}
    return parts[name]() if name in parts else own_options(name.removeprefix("settings-"))


def fresh(written: str) -> str:
    return BLOCK.sub(lambda block: f"{block[1]}{generated(block[2])}{block[3]}", written)


def test_what_is_generated_is_somewhere() -> None:
    names = {block[1] for document in DOCUMENTS for block in BLOCK.findall(text(document))}
    settings = {*BUILT_IN, "http", "delivery"} - {"opensearch"}  # whose options are Elasticsearch's
    assert names == {f"settings-{name}" for name in settings} | {
        *("help", "help-sandbox", "retry", "topics", "packages", "presets-otlp"),
        *OWNERS,
        *(f"scaffold-{part}" for part in SCAFFOLD),
    }


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_generated_part_is_what_the_code_says(document: str) -> None:
    assert text(document) == fresh(text(document)), "run: python -m tests.test_readme"


def commands() -> set[tuple[str, ...]]:
    """Every command that a document names, in a block or in a sentence, with the command under it."""
    names = set()
    for document in DOCUMENTS:
        for name, under in re.findall(
            r"(?:^\$ |`)magictel ([a-z-]+)(?: (show|check|exporter)\b)?", text(document), re.M
        ):
            names.add((name, under) if under and name in ("config", "new") else (name,))
    return names


def test_the_documents_show_commands() -> None:
    assert len(commands()) >= 12


@pytest.mark.parametrize("words", sorted(commands()), ids=" ".join)
def test_every_command_that_a_document_shows_exists(words: tuple[str, ...], tmp_path: Path) -> None:
    ran = magictel(*words, "--help", folder=tmp_path)
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file(document: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", text(document)):
        assert (DOCUMENTS[document].parent / target).is_file(), target


def test_every_code_that_a_document_names_has_a_page() -> None:
    from magictel.catalogue import pages

    parts = {code.partition(".")[0] for code in pages.codes()}
    for document in DOCUMENTS:
        for code in re.findall(r"`([a-z]+(?:\.[a-z0-9-]+)+)`", text(document)):
            if code.startswith(("http.server.", "http.client.")):  # metrics
                continue
            known = code.partition(".")[0] not in parts or pages.explain(code) is not None
            assert known or code.endswith((".md", ".toml", ".py", ".client")), f"{document}: {code}"


def test_readme_is_short_and_narrow() -> None:
    assert len(text("README").splitlines()) <= 200
    code = "".join(blocks("README", "", "console", "sh", "python", "yaml"))
    assert [line for line in code.splitlines() if len(line) > 100] == []


def test_ci_calls_the_test_command_of_readme() -> None:
    (test,) = re.findall(r"\.venv/bin/(python -m pytest[^\n`]*)", text("README"))
    assert test in (ROOT / ".ci" / "run").read_text()


if __name__ == "__main__":
    for path in DOCUMENTS.values():
        path.write_text(fresh(path.read_text("utf-8")), "utf-8")
