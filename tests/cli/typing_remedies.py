"""What tests of remedies share: refusals that say where in the code they were made, and lines typed as they say."""

import ast
import copy
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from omegaconf import OmegaConf

import tippingpoint
from tests.refusals import PLACE, lines_in, overrides_in
from tippingpoint.cli.main import VERBS
from tippingpoint.core.errors import TippingpointError

SOURCE = Path(tippingpoint.__file__).parent
ERRORS = ("InputError", "RefusedError", "OutsideError", "OvertakenError", "ValueError")
SAYS = re.compile(r"(^|[\s('])[+~]{0,2}[a-z]\w*(\.\w+)*=(?!=)|\btippingpoint [a-z]|\b[Tt]ype ")
"""Text that says to type something."""
WRITERS = ("override", "nearest")
"""Functions whose answer can be typed, the second only where it is told the key."""


class Site(NamedTuple):
    """A place in the code where a refusal is made that says what to type."""

    function: str
    """`data/files.py Table.require`."""
    path: str
    first: int
    last: int
    text: str
    """The longest piece of what it says that is always the same."""


def sites() -> Iterator[Site]:
    """Every place whose remedy holds something to type, as far as its text stands in its function."""
    trees = {path: ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}
    functions = {node.name: node for tree in trees.values() for node in tree.body if isinstance(node, ast.FunctionDef)}
    for path, tree in trees.items():
        own = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        yield from _sites(str(path.relative_to(SOURCE)), tree, [], tree, functions | own)


def _sites(
    path: str, node: ast.AST, names: list[str], scope: ast.AST, functions: Mapping[str, ast.FunctionDef]
) -> Iterator[Site]:
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, ast.FunctionDef | ast.ClassDef)
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id in ERRORS:
            remedy = child.args[0] if child.func.id == "ValueError" else child.args[2] if len(child.args) > 2 else None
            said = list(_texts(remedy, scope, functions)) if remedy is not None else []
            if remedy is not None and any(map(SAYS.search, said)) and not any("pip install" in text for text in said):
                texts = (text for n in ast.walk(remedy) if _is_text(n) for text in n.value.split(". "))
                text = max(texts, key=len, default="").rstrip(".")
                yield Site(f"{path} {'.'.join(names)}", path, child.lineno, child.end_lineno or child.lineno, text)
        inside = child if isinstance(child, ast.FunctionDef) else scope
        yield from _sites(path, child, [*names, child.name] if named else names, inside, functions)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _texts(node: ast.AST, scope: ast.AST, functions: Mapping[str, ast.FunctionDef], depth: int = 0) -> Iterator[str]:
    """Pieces of text an expression is made of: its own, of names set in its function, and of functions it calls."""
    for part in ast.walk(node):
        if _is_text(part):
            yield part.value  # type: ignore[attr-defined]  # it is text
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and depth < 3:
            for set_ in ast.walk(scope):
                if isinstance(set_, ast.Assign | ast.AugAssign):
                    targets = set_.targets if isinstance(set_, ast.Assign) else [set_.target]
                    if any(isinstance(target, ast.Name) and target.id == part.id for target in targets):
                        yield from _texts(set_.value, scope, functions, depth + 1)
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
            called = part.func.id
            if called in WRITERS:
                yield "key=" if called == "override" or len(part.args) > 2 else ""
            elif called in functions and depth < 2 and called not in ("masked", "shown", "some"):
                yield from _texts(functions[called], functions[called], functions, depth + 1)


@dataclass(frozen=True)
class Case:
    """A line with a mistake.

    Parameters
    ----------
    given
        Overrides to type instead, of one remedy in one text: where it names a value without its key, or the nearest.
    fill
        What to type for a word with a place to fill in.
    before
        Makes what is needed.
    mend
        Does what the refusal says to do elsewhere than in the line, which is then typed again.
    """

    line: str
    given: Sequence[str] = ()
    fill: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], Any] | None = None
    mend: Callable[[], Any] | None = None


@dataclass
class Typist:
    """Types lines, and what their refusals say to type."""

    call: Callable[..., int]
    capsys: pytest.CaptureFixture
    fill: Mapping[str, str]
    made: list[TippingpointError] = field(default_factory=list)
    tested: set[str] = field(default_factory=set)
    """Where remedies were made that were typed, `path:line`, and their texts."""
    failed: list[str] = field(default_factory=list)

    def record(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let every error know where it was made."""
        made, own = self.made, TippingpointError.__init__

        def recorded(error: TippingpointError, where: str, what: str, remedy: str = "") -> None:
            own(error, where, what, remedy)
            frame = sys._getframe(1)
            error.site = (frame.f_code.co_filename, frame.f_lineno)  # type: ignore[attr-defined]  # for tests
            made.append(error)

        monkeypatch.setattr(TippingpointError, "__init__", recorded)
        read, load = dict[str, Any](), OmegaConf.load

        def loaded(file: Any) -> Any:  # conf/ is read for every line: once is enough
            name = str(getattr(file, "name", file))
            if name not in read:
                read[name] = load(file)
            return copy.deepcopy(read[name])

        monkeypatch.setattr(OmegaConf, "load", loaded)

    def said(self, words: Sequence[str]) -> TippingpointError | None:
        """The refusal a line ends in; None where there is none."""
        self.made.clear()
        code = self.call(*words)
        err = self.capsys.readouterr().err
        if code == 0:
            return None
        printed = [error for error in self.made if str(error) in err]
        if not printed and code != 1:  # 1 is an answer too: a policy that has remarks
            self.failed.append(f"{shlex.join(words)}: ended with {code} and no refusal of ours: {err[-300:]}")
        return printed[-1] if printed else None

    def type(self, case: Case) -> None:
        """Type a line, and what its refusal says to type; what fails is noted."""
        if case.before:
            case.before()
        words = shlex.split(case.line)
        refusal = self.said(words)
        if refusal is None:
            self.failed.append(f"{case.line}: is not refused")
            return
        made, remedy = list(self.made), refusal.remedy
        known = {**self.fill, **case.fill}
        lines, rest = lines_in(
            re.sub(r"\bpip install '[^']*'|\b[Dd]rop \w+=\S*|\bin front of \S+|\w+= alone|\bwithout \S+", "", remedy)
        )
        groups = [[known.get(word, word) for word in in_a_shell(text)] for text in overrides_in(rest)]
        groups += [in_a_shell(text) for text in case.given]
        typed = [again(words, group) for group in groups]
        if case.mend:
            case.mend()
            typed.append(words)
        typed += [in_a_shell(known.get(line, line)) for line in lines if line.split()[0] in VERBS]
        for line in typed:
            if any(map(PLACE.search, line)) and not any(map(PLACE.search, words)):
                self.failed.append(f"{case.line}: {remedy}: a place that no test fills in: {shlex.join(line)}")
                continue
            after = self.said(line)
            same = after is not None and (after.where, after.what) == (refusal.where, refusal.what)
            if same or (after is not None and after.what == "unknown key" and after.where != refusal.where):
                self.failed.append(f"{case.line}: {refusal}\n    typed: {shlex.join(line)}")
        if typed:
            for error in made:
                if error is refusal or (error.remedy and error.remedy in remedy):
                    path, line_ = error.site  # type: ignore[attr-defined]  # set above
                    self.tested |= {f"{path}:{line_}", f"{error.where} {error.what}. {error.remedy}"}

    def untyped(self, folders: Sequence[str], excused: Mapping[str, str]) -> list[str]:
        """Functions that begin so (`data/f`) whose remedy nobody typed or excused; and idle excuses."""
        left: set[str] = set()
        for site in sites():
            if site.function.startswith(tuple(folders)):
                lines = {f"{SOURCE / site.path}:{line}" for line in range(site.first, site.last + 1)}
                if not (lines & self.tested or any(site.text and site.text in told for told in self.tested)):
                    left.add(site.function)
        return sorted(left ^ set(excused))


def in_a_shell(text: str) -> list[str]:
    """Words that a shell makes of a text that is typed into it."""
    read = subprocess.run(["sh", "-c", f"printf '%s\\0' {text}"], capture_output=True, text=True, check=True)
    return read.stdout.split("\0")[:-1]


def again(words: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """The line with overrides instead of what was typed for their keys, or for keys above them but options of conf/."""
    keys = [re.split("=", word.lstrip("+~"))[0] for word in overrides]

    def stays(word: str) -> bool:
        key, sign, _ = word.lstrip("+").partition("=")
        return not sign or not any(new == key or ("." in key and new.startswith(f"{key}.")) for new in keys)

    return [*filter(stays, words), *overrides]
