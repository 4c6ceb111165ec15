"""docs/architecture.md knows every module."""

import re
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

EACH_FOR_ITSELF = ("cli", "config/filters", "config/schema", "filters", "model")
"""Rooms of which the page says what a module there is, and not which there are."""


def test_every_module_has_its_line() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w*]+\.pyx?\b", page))
    modules = [path.relative_to(ROOT / "shifter") for ending in ("py", "pyx") for path in (ROOT / "shifter").rglob(f"*.{ending}")]
    unnamed = [
        module.as_posix()
        for module in modules
        if module.name != "__init__.py"
        and module.parent.as_posix() not in EACH_FOR_ITSELF
        and not any(fnmatch(module.name, name) for name in named)
    ]
    assert unnamed == []


def test_it_names_nothing_else() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rooms = page[page.index("## The rooms") : page.index("Imports go down")]
    files = [path.name for path in (ROOT / "shifter").rglob("*.py*")]
    gone = [name for name in re.findall(r"[\w*]+\.pyx?\b", rooms) if not any(fnmatch(file, name) for file in files)]
    assert gone == []
