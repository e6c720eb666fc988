"""What of the metadata depends on where the project is hosted: its addresses, and the links of the README.

`KERAS_LR_REPOSITORY` is the address of the repository; `.github/workflows/ci.yml` sets it. Without it the metadata has
no addresses, and the README in it no links into the repository: the text of a link stays, and a picture is left out.
Everything else is in setup.cfg.
"""

import os
import re
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)")
"""A link or picture of Markdown whose target is a path."""
PICTURE = re.compile(r"<picture>.*?</picture>\n*", re.DOTALL)
SOURCE = re.compile(r'\b(src|srcset)="(?![a-z]+:)([^"]+)"')
"""The file of a picture that is written in HTML."""


def version() -> str:
    """The version that the package states."""
    text = (HERE / "keras_lr" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.*)"$', text, re.MULTILINE)[1]


def readme(repository: str) -> str:
    """The README as it can be read outside the repository."""

    def elsewhere(link: re.Match) -> str:
        picture, text, path = link.groups()
        if not repository:
            return "" if picture else text
        # LICENSE is a file; a folder has a name in small letters, and may be missing where this runs.
        is_file = Path(path).suffix or Path(path).name.isupper()
        kind = "raw" if picture else "blob" if is_file else "tree"
        return f"{picture}[{text}]({repository}/{kind}/v{version()}/{path})"

    text = (HERE / "README.md").read_text(encoding="utf-8")
    text = SOURCE.sub(rf'\1="{repository}/raw/v{version()}/\2"', text) if repository else PICTURE.sub("", text)
    return LINK.sub(elsewhere, text)


def addresses(repository: str) -> dict[str, str]:
    """The project's addresses by their names in the metadata."""
    if not repository:
        return {}
    return {
        "Source": repository,
        "Changelog": f"{repository}/blob/v{version()}/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


REPOSITORY = os.environ.get("KERAS_LR_REPOSITORY", "").rstrip("/")

setup(
    long_description=readme(REPOSITORY),
    long_description_content_type="text/markdown",
    project_urls=addresses(REPOSITORY),
)
