"""What the package promises to whoever imports or installs it."""

import subprocess
import sys
from importlib import import_module

import penchant

PUBLIC = [
    "Choice",
    "Generator",
    "ImageSettings",
    "PenchantError",
    "Progress",
    "Question",
    "Rng",
    "Strength",
    "Study",
    "StudySettings",
    "draw_pictures",
    "evaluate",
    "load_generator",
    "open_images",
    "vote",
    "write_report",
]


def test_public_names_are_these_and_no_others():
    assert penchant.__all__ == PUBLIC
    for name in PUBLIC:
        assert getattr(penchant, name) is getattr(import_module(getattr(penchant, name).__module__), name)


def test_importing_the_package_or_its_command_line_loads_nothing_heavy():
    code = (
        "import sys, penchant, penchant.cli.app; "
        "print([name for name in ('torch', 'numpy', 'scipy', 'sqlalchemy', 'fastapi') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_wrong_name_is_an_attribute_error():
    assert not hasattr(penchant, "Stduy")
