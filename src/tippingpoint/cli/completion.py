"""`tippingpoint completion bash|zsh|fish`: a script that holds all words, so that no key waits for Python."""

from collections.abc import Iterator, Mapping
from typing import Any

from tippingpoint.cli.help import ABOUT
from tippingpoint.cli.help import WORDS as SECOND
from tippingpoint.config.compose import VERSIONED, config_folder
from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.yaml_files import read_yaml

SHELLS = ("bash", "zsh", "fish")
SEVERAL = {**SECOND, "completion": SHELLS}
"""The second words of verbs that have some."""
ASKED_BY_A_KEY = {"compare": ("compare_runs",), "measure": ("measure_arms",)}
"""Jobs that a key of another verb asks for."""
BROUGHT = ("policy", "economics")
"""Groups that some data bring along, which not every verb reads."""

BASH = r"""_tippingpoint() {{
  local line="${{COMP_LINE:0:COMP_POINT}}" cur verb second words=""
  cur="${{line##* }}"
  read -r _ verb second _ <<< "$line "
  [[ "$second" == "$cur" ]] && second=""
  [[ "$verb" == "$cur" && "$line" != *" $verb "* ]] && verb=""
  case "$verb $second" in
    " ") words="{verbs}" ;;
{cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [[ ${{#COMPREPLY[@]}} -eq 1 && "${{COMPREPLY[0]}}" == *= ]]; then compopt -o nospace 2>/dev/null; fi
  if [[ ${{#COMPREPLY[@]}} -eq 0 && "$cur" == *=* ]]; then
    COMPREPLY=($(compgen -f -- "${{cur#*=}}"))
  elif [[ "$cur" == *=* ]]; then  # bash replaces only what stands behind the sign
    COMPREPLY=("${{COMPREPLY[@]#*=}}")
  fi
}}
complete -o default -F _tippingpoint tippingpoint
"""
ZSH = r"""#compdef tippingpoint
_tippingpoint() {{
  local -a found
  local two="${{words[2]}} "
  (( CURRENT > 3 )) && two="${{words[2]}} ${{words[3]}}"
  (( CURRENT < 3 )) && two=" "
  case "$two" in
    " ") found=({verbs}) ;;
{cases}
  esac
  if [[ "$PREFIX" == *=* ]]; then
    compadd -- ${{(M)found:#*=?*}}
    compset -P '*=' && _files
  else
    compadd -S '' -- ${{(M)found:#*=}}
    compadd -- ${{found:#*=}}
  fi
}}
if [[ "$funcstack[1]" == _tippingpoint ]]; then _tippingpoint "$@"; else compdef _tippingpoint tippingpoint; fi
"""


def completion(shell: str) -> str:
    """Return the script of a shell.

    Raises
    ------
    InputError
        For another shell.
    """
    if shell not in SHELLS:
        what = f"there is none for {shell!r}" if shell else "the shell is not given"
        raise InputError("tippingpoint completion", what, nearest(shell, SHELLS))
    words = {verb: list(_of(verb)) for verb in _spelled(ABOUT)}
    firsts = list(ABOUT)
    if shell == "fish":
        lines = ["complete -c tippingpoint -n __fish_use_subcommand -f -a " + f"'{' '.join(firsts)}'"]
        for verb, typed in words.items():
            seen = " ; and ".join(f"__fish_seen_subcommand_from {word}" for word in verb.split())
            lines.append(f"complete -c tippingpoint -n '{seen}' -a '{' '.join(typed)}'")
        for verb, seconds in SEVERAL.items():
            lines.append(
                f"complete -c tippingpoint -n '__fish_seen_subcommand_from {verb}' -f -a '{' '.join(seconds)}'"
            )
        return "\n".join([*lines, ""])
    cases = []
    for verb, typed in words.items():
        pattern = f'"{verb}"*' if " " in verb else f'"{verb} "*'
        cases.append(_case(shell, pattern, typed))
    cases += [_case(shell, f'"{verb} "*', seconds) for verb, seconds in SEVERAL.items()]
    text = BASH if shell == "bash" else ZSH
    return text.format(verbs=" ".join(firsts), cases="\n".join(cases))


def _case(shell: str, pattern: str, typed: Any) -> str:
    assigned = f'words="{" ".join(typed)}"' if shell == "bash" else f"found=({' '.join(typed)})"
    return f"    {pattern}) {assigned} ;;"


def _spelled(verbs: Mapping[str, Any]) -> Iterator[str]:
    """Yield the verbs as they are typed, `data describe` among them."""
    for verb in verbs:
        if verb != "completion":
            yield from (f"{verb} {word}" for word in SEVERAL[verb]) if verb in SEVERAL else (verb,)


def _of(verb: str) -> Iterator[str]:
    """Yield the words of a verb: `policy=top_fraction` for what can be chosen, `policy.cuts=` for keys."""
    name = "table" if verb.startswith("data ") else "_".join(verb.split())
    found: dict[str, None] = {}
    for node in _files(name):
        for entry in node.get("defaults", []):
            group, option = next(iter(entry.items())) if isinstance(entry, dict) else (None, None)
            idle = group in BROUGHT and option is None and name != "simulate"  # some data bring it along; not read
            if group and "@" not in group and option != "mlflow" and not idle:
                found |= dict.fromkeys(_chosen(group))
        if name in VERSIONED:
            found["model="] = None
        found |= dict.fromkeys(
            f"{key}=" for key in _keys({k: v for k, v in node.items() if k not in ("defaults", "hydra")})
        )
    found.pop("model.version=", None)
    yield from found
    yield "--help"


def _files(name: str) -> Iterator[dict[str, Any]]:
    """Yield the YAML files a verb is composed of, those of `compare runs=` and `measure data=` too."""
    waiting = [name, *ASKED_BY_A_KEY.get(name, ())]
    while waiting:
        name = waiting.pop(0)
        node = read_yaml(config_folder() / f"{name}.yaml", name) or {}
        yield node
        waiting += [entry for entry in node.get("defaults", []) if isinstance(entry, str) and entry != "_self_"]


def _chosen(group: str) -> Iterator[str]:
    """Yield the options of a group, and the keys of all of them."""
    folder = config_folder() / group
    for path in sorted(folder.glob("*.yaml")):
        yield f"{group}={path.stem}"
    if group != "experiment":
        for path in sorted(folder.glob("*.yaml")):
            node = read_yaml(path, group) or {}
            yield from (
                f"{group}.{key}=" for key in _keys({k: v for k, v in node.items() if k not in ("defaults", "_target_")})
            )


def _keys(node: Mapping[str, Any], depth: int = 2) -> Iterator[str]:
    """Yield the dotted names of a node's keys, to some depth."""
    for key, value in node.items():
        if key == "_target_":
            continue
        yield str(key)
        if isinstance(value, dict) and depth:
            yield from (f"{key}.{inner}" for inner in _keys(value, depth - 1))
