"""The pages that are written from the code: verbs and their keys, options, diagnostics, and the index of decisions.

Types, defaults and bounds are those of the settings classes; what a key means is the comment beside it in `conf/`.
`python docs/generated_pages.py` writes them, and so does each build of the site.
"""

import ast
import inspect
import json
import re
import textwrap
import tomllib
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tippingpoint.cli.diagnostics import ABOUT as DIAGNOSTICS
from tippingpoint.cli.diagnostics import FAMILIES, what_to_type
from tippingpoint.cli.help import ABOUT, WORDS, about
from tippingpoint.cli.launched_job import JOBS, job_of
from tippingpoint.config.compose import config_folder
from tippingpoint.core.strict import Component
from tippingpoint.experiment.diagnostics import catalogue

DOCS = Path(__file__).parent
CONF = config_folder()
COMMENT = re.compile(r"(?:^|\s)#\s(.*)$")
KEY = re.compile(r"^(\s*)(?:- )?([\w.]+):")
GROUPS = {
    "data": "whose users: a generator, a table, a database, or raw events",
    "model": "the family that is fitted",
    "learner": "what is learnt: the chance of the outcome, or what actions add to it",
    "policy": "which users are in which segment, and what is done to each",
    "economics": "what an outcome and an action are worth",
    "gate": "what a version must show before it is promoted",
    "tune": "how hyper-parameters are searched",
    "tracking": "how runs are filed",
}
"""The groups of `conf/`, each with what it chooses."""
WITH_A_KEY = {
    "compare_runs": "compare runs=[…]",
    "measure_arms": "measure data=…",
    "promote_pin": "promote pin",
    "promote_approve": "promote approve",
}
"""Jobs that a key, or a word, of another verb asks for."""
NAMES = {"int": "whole number", "float": "number", "str": "text", "bool": "true or false", "Any": "anything"}
BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "at least", "max_length": "at most"}


@dataclass(frozen=True)
class Key:
    """A key of a verb or of an option."""

    name: str
    type: str
    default: str
    meaning: str


# What the YAML files say ------------------------------------------------------------------------------------------


def comments(path: Path) -> dict[str, str]:
    """Return the comment beside each key of a YAML file by the key's dotted name; '' is what the file says of itself.

    A line that is only a comment goes on with the comment above it.
    """
    found: dict[str, str] = {}
    parents: list[tuple[int, str]] = []
    last = ""
    for line in path.read_text().splitlines():
        said = COMMENT.search(line)
        key = KEY.match(line)
        if key and not line.lstrip().startswith("#"):
            depth = len(key[1])
            parents = [*(parent for parent in parents if parent[0] < depth), (depth, key[2])]
            last = ".".join(name for _, name in parents).removeprefix("defaults.")
        elif not (said and line.lstrip().startswith("#")):
            continue
        if said:
            found[last] = " ".join(filter(None, [found.get(last, ""), said[1].strip()]))
    return found


def files_of(verb: str) -> list[Path]:
    """Return the YAML files that a verb is composed of, the verb's own first."""
    name = "table" if verb in WORDS["data"] else verb
    found, waiting = [], [CONF / f"{name}.yaml"]
    while waiting:
        path = waiting.pop(0)
        found.append(path)
        for entry in yaml.safe_load(path.read_text()).get("defaults", []):
            if isinstance(entry, str) and (CONF / f"{entry}.yaml").is_file():
                waiting.append(CONF / f"{entry}.yaml")
    return found


def said_of(verb: str) -> dict[str, str]:
    """Return what each key of a verb means, by its dotted name."""
    found: dict[str, str] = {}
    for path in (*files_of(verb), CONF / "config.yaml"):
        found = comments(path) | found
    for group, option in (("tracking", "mlflow"), ("tune", "standard"), ("gate", "standard")):
        inside = {f"{group}.{key}": said for key, said in comments(CONF / group / f"{option}.yaml").items() if key}
        found = inside | found
    return found


# What the classes say ---------------------------------------------------------------------------------------------


@cache
def documented(model: type[BaseModel]) -> Mapping[str, str]:
    """Return what a class says of its fields: texts below them, and its section Parameters."""
    found: dict[str, str] = {}
    for of in reversed([base for base in model.__mro__ if issubclass(base, BaseModel) and base is not BaseModel]):
        text = inspect.getdoc(of) or ""
        if "Parameters\n---" in text:
            section = re.split(r"\n\n\w+\n-{3,}\n", text.split("Parameters\n")[1])[0]
            for names, said in re.findall(r"^([\w, ]+)\n((?:    .*\n?)+)", section, re.MULTILINE):
                for name in names.split(", "):
                    found[name] = " ".join(said.split())
        body = ast.parse(textwrap.dedent(inspect.getsource(of))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(field.target, ast.Name):
                found[field.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    return found


def in_words(annotation: Any) -> str:
    """Return a type as words.

    >>> in_words(int | None), in_words(list[str]), in_words(Literal["a", "b"])
    ('whole number, or null', 'list of text', '`a`, `b`')
    """
    origin, of = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return in_words(of[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in of)
    if origin in (Union, types.UnionType):
        known = [in_words(one) for one in of if one is not type(None)]
        return " or ".join(dict.fromkeys(known)) + (", or null" if type(None) in of else "")
    if origin in (list, tuple, set, frozenset):
        inner = ", ".join(dict.fromkeys(in_words(one) for one in of if one is not Ellipsis))
        return f"list of {inner}" if inner else "list"
    if origin is dict or annotation is dict:
        return f"{in_words(of[1])} by name" if of else "map"
    if annotation is date:
        return "day"
    if annotation is datetime:
        return "time, UTC"
    if isinstance(annotation, type) and issubclass(annotation, Component):
        return "option"
    name = getattr(annotation, "__name__", str(annotation))
    return NAMES.get(name, "map" if isinstance(annotation, type) and issubclass(annotation, BaseModel) else name)


def bounds(field: FieldInfo) -> str:
    """Return the bounds of a field as words, '' for none."""
    found = []
    of_text = str in (field.annotation, *get_args(field.annotation))
    for of in field.metadata:
        for name, sign in BOUNDS.items():
            if (value := getattr(of, name, None)) is not None:
                unit = "" if "length" not in name else " character" if of_text else " item"
                found.append(f"{sign} {value:,}{unit}{'s' if unit and value > 1 else ''}")
    return "".join(f", {bound}" for bound in found)


def shown(value: Any) -> str:
    """Return a default as it is typed."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_defaults=True)
    text = json.dumps(value, ensure_ascii=False, default=str)
    if len(text) > 60:
        return "as shipped"
    return f"`{text[1:-1] if isinstance(value, str) and value else text}`"


def keys(model: type[BaseModel], said: Mapping[str, str], path: str = "") -> Iterator[Key]:
    """Yield the keys of a settings class; those of a class within it by their dotted names."""
    hidden = set(getattr(model, "learnt", ()))
    for name, field in model.model_fields.items():
        if name in hidden:
            continue
        dotted = f"{path}{name}"
        within = get_args(field.annotation) if get_origin(field.annotation) in (Union, types.UnionType) else ()
        inner = next((one for one in (field.annotation, *within) if _nests(one)), None)
        meaning = said.get(dotted) or documented(model).get(name) or said.get(path.rstrip("."), "")
        if inner is not None:
            if inner is not field.annotation:  # may be null as a whole
                yield Key(dotted, in_words(field.annotation), _default(field), meaning)
            yield from keys(inner, said, f"{dotted}.")
            continue
        if name in GROUPS and "option" in in_words(field.annotation):
            meaning = meaning or GROUPS[name]
            yield Key(dotted, f"[option](../options/{name}.md)", "", meaning)
            continue
        yield Key(dotted, in_words(field.annotation) + bounds(field), _default(field), meaning)


def _nests(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel) and not issubclass(annotation, Component)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    return "" if value is PydanticUndefined else shown(value)


# Pages ------------------------------------------------------------------------------------------------------------


def table(rows: list[Key]) -> str:
    """Return the keys as a table of Markdown, '' where there are none."""
    if not rows:
        return ""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for row in rows:
        cells = [f"`{row.name}`", row.type, row.default, _prose(row.meaning)]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _prose(said: str) -> str:
    """A comment of YAML as Markdown: no sign of it is markup."""
    return re.sub(r"([<>*_\[\]$])", r"\\\1", said)


def _sentence(said: str) -> str:
    return _prose(said[:1].upper() + said[1:])


def spelled(verb: str) -> str:
    """Return a verb as it is typed: `policy_lint` is `policy lint`, `describe` is `data describe`."""
    if verb in WITH_A_KEY:
        return WITH_A_KEY[verb]
    for first, words in WORDS.items():
        for word in words:
            if verb == (word if first == "data" else f"{first}_{word}"):
                return f"{first} {word}"
    return verb


def verb_page(verb: str) -> str:
    """Return the page of a verb: what it does, how it is typed, every key."""
    typed = spelled(verb)
    _, settings = job_of(verb)
    first = files_of(verb)[0]
    does = comments(first).get("", "")
    does = does.partition(": ")[2] if does.startswith("`") else does
    word = typed.split()[0]
    parts = [f"# {typed}\n", _sentence(does) + "\n"]
    if verb not in WITH_A_KEY and word in ABOUT:
        page = ABOUT[word].page
        parts += ["```text", about(word).rpartition("\n\n")[0], "```\n", f"[How to use it](../../{page}).\n"]
    parts += ["## Keys\n", table(list(keys(settings, said_of(verb))))]
    return "\n".join(parts)


def option_page(group: str) -> str:
    """Return the page of a group of `conf/`: each option, its class and its keys."""
    parts = [f"# {group}\n", GROUPS[group][:1].upper() + GROUPS[group][1:] + f". Chosen with `{group}=NAME`.\n"]
    for path in sorted((CONF / group).glob("*.yaml")):
        said, node = comments(path), yaml.safe_load(path.read_text())
        parts += [f"## {group}={path.stem}\n", _sentence(said.get("", "")) + "\n"]
        values = {key: value for key, value in node.items() if key not in ("_target_", "defaults", "_self_")}
        if not values:
            parts += ["```yaml", path.read_text().strip(), "```\n"]
            continue
        if "_target_" not in node and len(values) == 1 and isinstance(inner := next(iter(values.values())), dict):
            target, values, of = inner.get("_target_"), inner, next(iter(values))
            said = {key.removeprefix(f"{of}."): text for key, text in said.items()}
            values = {key: value for key, value in values.items() if key != "_target_"}
        else:
            target = node.get("_target_")
        model = _class_of(target) if target else None
        if model is not None:
            parts.append(f"Class: `{target}`.\n")
            parts.append(table(list(keys(model, _said_of_class(group, model) | said))))
        given = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None).strip()
        if values:
            parts += ["As it is shipped:\n", "```yaml", given, "```\n"]
    return "\n".join(parts)


def _said_of_class(group: str, model: type[BaseModel]) -> dict[str, str]:
    """Return what any option of a class says of its keys: variations leave out what another one says."""
    found: dict[str, str] = {}
    for path in sorted((CONF / group).glob("*.yaml")):
        if f".{model.__name__}\n" in path.read_text():
            found |= {key: text for key, text in comments(path).items() if key}
    return found


def _class_of(target: str) -> type[BaseModel]:
    from importlib import import_module

    module, _, name = target.rpartition(".")
    return getattr(import_module(module), name)


def diagnostic_pages() -> Iterator[tuple[str, str]]:
    """Yield a page a code, and their index."""
    index = ["# Diagnostics\n", DIAGNOSTICS]
    for start, family in FAMILIES.items():
        of = [entry for code, entry in catalogue().items() if code.startswith(start)]
        index += [f"## {family}\n", "| code | level | what is told | from where on |", "|---|---|---|---|"]
        for entry in of:
            index.append(f"| [{entry.code}]({entry.code}.md) | {entry.level} | {entry.title} | {entry.threshold} |")
            page = [
                f"# {entry.code}: {entry.title}\n",
                f"A **{entry.level}** of the family *{family.lower()}*.\n",
                "## What is measured\n", f"{entry.what}\n",
                "## From where on it is told\n", f"{_sentence(entry.threshold)}.\n",
                "## Why it matters\n", f"{entry.why}\n",
                "## What to do\n", f"{entry.remedy or 'The message itself says what to type.'}\n",
                "```sh", what_to_type(entry), "```\n",
                {"warning": "leaves the warning out.", "veto": "lets it through: the reason is filed with the run."}[
                    entry.level
                ].capitalize() + " [How warnings and vetoes work](index.md).\n",
            ]  # fmt: skip
            yield f"{entry.code}.md", "\n".join(page)
        index.append("")
    codes = "\n".join(catalogue())
    yield "index.md", "\n".join([*index, "```{toctree}", ":hidden:", "", codes, "```\n"])


def architecture() -> str:
    """Return the layers that import-linter holds as a picture, the highest on top."""
    contract = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    rows = [[name.strip().removeprefix("tippingpoint.") for name in row.split("|")] for row in contract["layers"]]
    wide, high, gap = 960, 40, 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {len(rows) * (high + gap)}" '
             'font-family="sans-serif" font-size="14" text-anchor="middle">']  # fmt: skip
    for at, names in enumerate(rows):
        top, each = at * (high + gap) + gap / 2, (wide - gap * (len(names) - 1)) / len(names)
        for k, name in enumerate(names):
            left = k * (each + gap)
            parts.append(f'<rect x="{left:.1f}" y="{top}" width="{each:.1f}" height="{high}" rx="6" fill="#dbe7f5"/>')
            parts.append(f'<text x="{left + each / 2:.1f}" y="{top + 25}" fill="#123">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def index_of(title: str, said: str, names: Mapping[str, str]) -> str:
    """Return an index page: one row a page, by file name with what it is called."""
    hidden = "\n".join(names)
    rows = [f"- [{called}]({name}.md)" for name, called in names.items()]
    return "\n".join([f"# {title}\n", f"{said}\n", *rows, "", "```{toctree}", ":hidden:", "", hidden, "```", ""])


def decisions_index() -> str:
    """Return `docs/decisions/README.md`: every decision with its date and status."""
    lines = [
        "# Decisions\n",
        "What was hard to decide, one file each, with its date and whether it still holds. Code, tests and other pages"
        " name a decision by its number.\n",
        "| decision | date | status |",
        "|---|---|---|",
    ]
    files = sorted(DOCS.glob("decisions/[0-9]*.md"))
    for path in files:
        title, _, dated, status = path.read_text().splitlines()[:4]
        when, stands = dated.removeprefix("- Date: "), status.removeprefix("- Status: ")
        lines.append(f"| [{title.removeprefix('# ')}]({path.name}) | {when} | {stands} |")
    hidden = "\n".join(path.stem for path in files)
    return "\n".join([*lines, "", "```{toctree}", ":hidden:", "", hidden, "```", ""])


def all_pages() -> dict[str, str]:
    """Return every page by its path in `docs/`."""
    pages = {f"reference/verbs/{verb}.md": verb_page(verb) for verb in JOBS}
    pages |= {f"reference/options/{group}.md": option_page(group) for group in GROUPS}
    pages |= {f"reference/diagnostics/{name}": page for name, page in diagnostic_pages()}
    verbs = {verb: spelled(verb) for verb in JOBS}
    pages["reference/verbs/index.md"] = index_of("Verbs", "`tippingpoint VERB [group=name] [key=value] [-m]`", verbs)
    groups = {group: f"{group}: {what}" for group, what in GROUPS.items()}
    pages["reference/options/index.md"] = index_of("Options", "What can be chosen with `GROUP=NAME`.", groups)
    pages["decisions/README.md"] = decisions_index()
    pages["explanation/architecture.svg"] = architecture()
    return pages


def write() -> None:
    """Write all pages; one that says the same as before is left as it is, so that a build need not read it again."""
    for name, text in all_pages().items():
        path = DOCS / name
        if not path.is_file() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def setup(app: Any) -> dict[str, bool]:
    """Let Sphinx write the pages before it reads any."""
    app.connect("builder-inited", lambda app: write())
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    write()
