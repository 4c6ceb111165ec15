"""What makes twistd find the plugin, however shifter was installed."""

from configparser import RawConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_nothing_hides_the_real_twisted() -> None:
    ours = {path.relative_to(ROOT).as_posix() for path in (ROOT / "twisted").rglob("*.py")}
    assert ours == {"twisted/plugins/shifter_plugin.py"}


def test_editable_install_is_a_plain_path() -> None:
    shipped = RawConfigParser()
    shipped.read(ROOT / "setup.cfg")
    assert shipped["options"]["package_dir"].split() == ["=", "."]
    assert "twisted.plugins" in shipped["options.packages.find"]["include"].split()


def test_the_live_page_is_shipped() -> None:
    shipped = RawConfigParser()
    shipped.read(ROOT / "setup.cfg")
    assert "live/*" in shipped["options.package_data"]["shifter.admin"].split()
    assert "recursive-include shifter/admin/live *" in (ROOT / "MANIFEST.in").read_text().splitlines()
