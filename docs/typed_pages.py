"""Pages whose commands are run: the block below a command is what it answered.

`python docs/typed_pages.py docs/tutorials/own_table.md …` types the commands of a page in an empty folder and writes
the answers into the page; `tests/docs/test_typed_pages.py` types them again and compares. On a page

- a block `sh` is typed, a block `python` is run; a block `text` right below it is what stood on stdout,
- a block `{code-block} yaml` with a `:caption:` is a file of that name,
- `<!-- needs PATH -->` brings a file of the repository into the folder,
- `<!-- first N lines -->` above a block `text` says that it shows the first N lines only, and `…` for the others.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\S+)(?: \w+)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEEDS = re.compile(r"<!-- needs (\S+) -->")
FIRST = re.compile(r"<!-- first (\d+) lines -->\s*$")
CAPTION = re.compile(r"\A:caption: (\S+)\n\n?")
PASSING = (
    (re.compile(r'"?\b[0-9a-f]{32}\b"?'), "RUN_ID"),  # one that might be a number is quoted
    (re.compile(r"([+-]\d+\.\d+|\d\.\d+) +\d+\.\d *$", re.MULTILINE), r"\1"),  # a leaderboard's seconds
    (re.compile(r"\d+(\.\d+)? (milli)?seconds|\d+(\.\d+)? m?s\b"), "SECONDS"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?"), "TIME"),
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r" +$", re.MULTILINE), ""),
)
"""What differs from one time to the next, and what stands for it."""


def typed(kind: str, text: str, folder: Path) -> str:
    """Run a block in a folder and return what it wrote to stdout.

    Raises
    ------
    RuntimeError
        When it fails, with what it wrote to stderr.
    """
    here = folder / ".bin"
    here.mkdir(exist_ok=True)
    command = here / "tippingpoint"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m tippingpoint "$@"\n')
    command.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{here}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "COLUMNS": "100",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
    }
    words = ["bash", "-ec", text] if kind == "sh" else [sys.executable, "-c", text]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{text}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def walk(page: str, folder: Path, answered: Callable[[str, str], str]) -> str:
    """Type the blocks of a page one after the other in a folder.

    Parameters
    ----------
    answered
        Is given what the page shows and what was answered, both as far as the page shows them; returns what to show.

    Returns
    -------
    str
        The page with what `answered` returned.
    """
    for name in NEEDS.findall(page):
        shutil.copy(ROOT / name, folder)
    told, parts, at = None, [], 0
    for block in FENCE.finditer(page):
        kind, text = block.groups()
        between = page[at : block.start()]
        parts.append(between)
        at = block.end()
        whole = block[0]
        if kind == "{code-block}" and (caption := CAPTION.match(text)):
            file = folder / caption[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text[caption.end() :])
        elif kind in ("sh", "python"):
            told = typed(kind, text, folder)
        elif kind == "text" and told is not None:
            if first := FIRST.search(between):
                told = "\n".join(told.splitlines()[: int(first[1])]) + "\n…\n"
            shown = "\n".join(line.rstrip() for line in told.strip("\n").splitlines()) + "\n"
            whole = f"```text\n{answered(text, shown)}```"
            told = None
        parts.append(whole)
    return "".join([*parts, page[at:]])


def settled(text: str) -> str:
    """Return an answer without what differs from one time to the next."""
    for pattern, instead in PASSING:
        text = pattern.sub(instead, text)
    return text.strip()


def main() -> None:
    """Write the answers of the pages that are named, or of all tutorials."""
    for name in sys.argv[1:] or sorted(map(str, (ROOT / "docs/tutorials").glob("*.md"))):
        with tempfile.TemporaryDirectory() as folder:
            page = Path(name)
            written = walk(
                page.read_text(), Path(folder), lambda shown, now: shown if settled(shown) == settled(now) else now
            )
        page.write_text(written)
        print(name)


if __name__ == "__main__":
    main()
