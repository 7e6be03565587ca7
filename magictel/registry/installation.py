"""Facts about this installation: interpreter, platform, versions."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

import magictel

_REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Installation:
    """An interpreter and its packages. `packages` maps each dependency of magictel to its version, None if missing."""

    version: str
    folder: str
    python: str
    executable: str
    prefix: str
    isolated: bool
    """Return whether this is a virtual environment."""
    platform: str
    openssl: str
    encoding: str
    packages: tuple[tuple[str, str | None], ...]

    @property
    def install(self) -> str:
        """Return the command that installs a package for this magictel, without the package's name."""
        parts = Path(self.prefix).parts
        if "pipx" in parts:
            return "pipx inject magictel"
        if "uv" in parts and "tools" in parts:
            return "uv tool install magictel --with"
        return f"{self.executable} -m pip install"


def installation() -> Installation:
    """Return the facts of the running interpreter."""
    return Installation(
        version=magictel.__version__,
        folder=str(Path(magictel.__file__).parent),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        executable=sys.executable,
        prefix=sys.prefix,
        isolated=sys.prefix != sys.base_prefix,
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        openssl=ssl.OPENSSL_VERSION.removeprefix("OpenSSL ").split(" ")[0],
        encoding=sys.stdout.encoding or "unknown",
        packages=tuple((name, _version(name)) for name in _dependencies()),
    )


def _dependencies() -> list[str]:
    try:
        requirements = importlib.metadata.requires("magictel") or []
    except importlib.metadata.PackageNotFoundError:  # run from a directory, not installed
        return []
    named = [_REQUIREMENT.match(line) for line in requirements if ";" not in line]
    return [match[0] for match in named if match]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
