"""The command line: a verb, and the rest goes to Hydra. Heavy imports wait until a verb is chosen."""

import os
import re
import sys
from textwrap import fill

from tippingpoint.config.compose import config_folder
from tippingpoint.core.errors import InputError, TippingpointError, UnexpectedError, nearest
from tippingpoint.core.overrides import WORD, quoted
from tippingpoint.core.threads import spare_cores

HELP = """\
tippingpoint: which model, which cut-offs, how much money, how sure.
  tippingpoint VERB [group=name] [key=value] [-m]

Verbs (to= is a destination; model= selects families in run, compare and tune, elsewhere a registered version)
  compare   model families under one policy on the same users; the best is registered
  run       one family: tippingpoint run model=boosting
  tune      search hyper-parameters to a target: tippingpoint tune model=boosting tune.trials=200
  simulate  cut-offs, policies, budgets and prices on models that are there; the latest compare's by default
  promote   the challenger becomes champion, if the gate lets it;  rollback undoes it;  history;  status
  score     decisions for a table of users: tippingpoint score input=users.csv to=decisions.parquet
  measure   what decisions brought, beside what was promised; with data=csv the arms of any experiment
  policy    lint: gaps, overlaps, empty segments;  diff A B: what changes for whom;  bind: a policy to a model
  data      describe, explore or write a table: tippingpoint data describe data=csv data.path=users.csv
  features  users of raw events as of a day, as a file: tippingpoint features data=events … as_of=2026-03-01
  daily     a day on raw events: decide, measure, and where asked fit again and promote; done once
  serve     the champion over HTTP: scores, decisions, reasons; follows promotions
  dashboard marketing's pages: segments, cut-offs, target lists, on the champion or on demo data
  doctor    whether the store can be used;  ui: its MLflow pages;  diagnostics: what jobs look for and veto

Start
  tippingpoint compare                                                   generated users
  tippingpoint compare data=csv data.path=users.csv data.target=adopter  your own table
  tippingpoint run -m model=logistic,boosting seed=0,1                   a sweep; typed again, it goes on
  tippingpoint simulate policy.cuts='[0.4,0.6]'                          what if high started at 0.6?

{groups}
See every key of a verb with  tippingpoint VERB --cfg job;  add your own groups with  --config-dir FOLDER.
output=json prints one JSON object. Runs go to MLflow's store in this folder, or to MLFLOW_TRACKING_URI.
Exit codes: 0 done, 1 a check said no, 2 wrong input, 3 something outside failed.
"""

FITTING = """\
  data=csv data.path=users.csv data.target=adopter   your own table; data.good=false where outcome 1 is not wanted
  model=[logistic,boosting] model.boosting.max_depth=4
  policy=top_fraction policy.share=0.1               who gets which action
  learner=dr policy=effect_bands                     what the action adds is learnt, and cut
  economics.price=8                                  economics.actions.discount_10.contact_cost=0.1
  experiment=streamzone                              a question with all its settings
  select_by=log_loss seed=1 evidence=experiment      tracking.register_model=false
  -m seed=0,1,2                                      one job for each
  split.salt=another                                 moves users between train, validation, test; seed never does
"""
ABOUT = {
    "compare": f"Model families under one policy on the same users; the best is registered.\n\n"
    "  runs='[models:/conversion/1,RUN_ID]'               two runs or versions side by side; nothing is fitted\n"
    f"  evaluate=crossfit workers=2                        uplift on all users, each by models of other folds\n"
    f"  repeats=10                                         how far the split moves the verdict\n{FITTING}",
    "run": f"One family, fitted, measured, filed and registered.\n\n{FITTING}",
    "tune": f"Hyper-parameters searched to a target of trials; the winner is registered.\n\n"
    f"  tune.trials=200 tune.workers=4                     tune=pareto, tune=grid\n"
    f"  force=true                                         a finished search anew, beside it\n{FITTING}",
    "simulate": """\
Cut-offs, policies, budgets and prices on models that are there; the latest compare's by default.

  policy.cuts='[0.4,0.6]'                            what if high started at 0.6?
  policies=[top_fraction,best_action]                models=[models:/conversion/1]
  budget.contacts=500 economics.price=8
""",
    "measure": """\
What decisions brought, beside what was promised; with data= what the arms of any experiment did.

  decisions=decisions.parquet outcomes=outcomes.csv  of score … holdout=0.05; or duckdb:///app.duckdb?table=…
  outcome=converted at=converted_at within=14        what counts, and for how many days
  data=events data.product=… data.payments=…         raw events instead of outcomes; outcome=invoice.paid, Playback
  absent=zero since=2026-11-01 until=2026-11-20      users without a row did not convert; else they are not known
  to=joined.parquet users=users.csv                  experiment evidence for the next compare
  data=csv data.path=ab.csv data.action=arm data.control=A data.logging_probability=uniform data.target=retained
  data.measures=[watched,last_login] assigned=signed_up within=30    numbers, and times that count so many days
  ratios='{per_session: [watched, sessions]}'        ratios of sums
  pre=[watched_before] segments=[country]            columns known before: they take variance out, or make segments
  economics=freemium +economics.actions='{B: {contact_cost: 0.1}}'   money too
""",
    "promote": """\
The challenger becomes champion, model and policy as one, if the gate lets it; exit code 1 where it does not.

  tippingpoint promote 3, or model=3, run=RUN_ID     another than the challenger
  gate=strict gate.better.margin=0.002               what it must show: standard, strict, no_worse
  to=prod                                            the champion of NAME-prod, to which the version is copied
  why='more sessions in training' who=ann            what the journal says of it: why, and on whose behalf
  dry_run=true                                       judged, and the look counted, but nothing moves
  tippingpoint promote resume 5                      finish entry 5 of the journal, which a killed process left
""",
    "rollback": """\
The previous champion again, once it has loaded and scored.

  name=conversion to=prod why='scores too high' dry_run=true
""",
    "history": """\
Who was made champion, by whom, on which grounds; figures then and now.

  name=conversion to=prod
  limit=0                                            all entries, not only the newest 50
""",
    "status": """\
Who is champion and challenger, and what is amiss with what to type; gaps in the journal are looked for among its
newest 50 entries, by history limit=0 among all.

  name=conversion to=prod
""",
    "score": """\
Decisions for users by the champion: score, segment, action, expected value.

  input=users.csv to=decisions.parquet               CSV (also .gz), Parquet, a folder
  input='duckdb:///app.duckdb?table=users' to=postgresql://host/db       (or …?table=decided)
  input=duckdb:///app.duckdb input_query='select * from users where plan = $p' input_parameters.p=free
  only=[high]                                        the target list of these segments, best first
  model=models:/conversion@challenger reasons=true
  holdout=0.05                                       a random share gets a random action: what `measure` needs
  parts=true to=decisions                            a folder of parts; killed and typed again, it goes on
  data=events data.product=… data.payments=… as_of=2026-03-01    raw events, with the features it learnt from
  output=json to=decisions.parquet                   one JSON object on stdout
""",
    "policy": """\
policy lint    gaps, overlaps, segments no one reaches; exit code 1 where something waits for an answer
policy diff    what changes for whom: tippingpoint policy diff intent_bands mine.yaml
policy bind    another policy for a version's model, a new version without a fit:
               tippingpoint policy bind models:/conversion/3 mine.yaml, or policy.cuts='[0.3,0.6]' policy.version=2

  policy=retention data=retention economics=retention
  model=models:/conversion@challenger                for policies that read the score
  clusters=[monthly_watch_hours,days_since_last_login] to=clusters.png
""",
    "data": """\
data describe  types, roles, missing, leak suspects; to=contract.yaml writes a contract to edit
data explore   one page of users before any model; to=users.html
data write     a generated table, or events: data=streamzone to=users.parquet, data=event_log to=events

  data=csv data.path=users.csv data.target=adopter   a CSV (also gzipped), Parquet, or a folder of them
  data=sql data.url=duckdb:///users.duckdb data.query='select * from users where age > 17' data.target=adopter
  data.contract=contract.yaml                        rows that break it are set aside
  data.id=… data.drop=[…] data.good=false data.action=… data.control=… data.logging_probability=uniform
""",
    "features": """\
The users of raw events as of a day, with the features a model reads, as a file. score data=events … needs none.

  data=events data.product=product.jsonl data.payments=payments.jsonl as_of=2026-03-01 to=users.parquet
  days=7                                             who came to their cut-off in the week before, not the day
""",
    "daily": """\
A day on raw events: decisions of the champion into a table, then what earlier ones brought; for cron or make.
Typed again it does what is left. Exit code 1 asks for a person: drift, less than promised, the gate said no.

  data=events data.product=… data.payments=… as_of=2026-03-05
  predictions='duckdb:///app.duckdb?table=predictions' campaign=spring holdout=0.1
  since=2026-02-01                                   every day from this one to as_of
  retrain=compare retrain_every=7 test_days=28 gate=no_worse   fitted again, judged, promoted on every 7th day
""",
    "serve": """\
The champion over HTTP: /score, /explain, /policy, /health, /ready, /metrics, /openapi.json.
Whoever is promoted takes over.

  model=models:/conversion@challenger                another alias is followed, models:/conversion/3 stays
  port=8001 host=0.0.0.0                             others only with TIPPINGPOINT_API_KEY in the environment
""",
    "dashboard": """\
Marketing's pages, on this machine only: bring users, see segments, move cut-offs, download the list.

  port=8502
  model=models:/conversion@challenger                another than each question's champion
  predictions='duckdb:///app.duckdb?table=predictions' outcomes=outcomes.csv logins=logins.csv   what came of them
""",
    "ui": "Serve the MLflow pages of this folder's store.\n\n  port=5001\n",
    "doctor": "Versions, and whether the store can be used.\n",
    "diagnostics": "What jobs look for, from where on they tell it, why, and what to do.\n\n"
    "  tippingpoint diagnostics TP301                     one in full\n",
}
"""What `tippingpoint VERB --help` says."""
HYDRA_OPTIONS_WITH_VALUE = ("--cfg", "-c", "--config-dir", "-cd", "--config-path", "--config-name", "--package", "-p")
HYDRA_OPTIONS = (*HYDRA_OPTIONS_WITH_VALUE, "--multirun", "--help", "--info", "--hydra-help", "--resolve")
VERBS = tuple(ABOUT)
TEXTS = (
    *("data.query", "data.url", "data.product", "data.payments", "input", "input_query", "to", "output"),
    *("decisions", "outcomes", "users"),
    *("predictions", "logins", "tune.storage", "why"),
)
"""Keys whose values are taken literally."""
WORDS = {"policy": ("lint", "diff", "bind"), "data": ("describe", "explore", "write")}
"""The second words of verbs that have some."""
REGISTRY_VERBS = ("promote", "rollback", "history", "status")
"""Verbs of the registry."""


def main() -> None:
    """Entry point of the `tippingpoint` command."""
    arguments = sys.argv[1:]
    verb = arguments[0] if arguments else "help"
    if verb in ("help", "-h", "--help"):
        print(HELP.format(groups=_groups()), end="")
        return
    if verb == "--version":
        from tippingpoint.core.version import __version__

        print(__version__)
        return
    try:
        if verb not in VERBS:
            raise InputError("tippingpoint", f"there is no verb {verb!r}", nearest(verb, VERBS))
        rest = arguments[1:]
        if {"--help", "-h"} & set(rest):
            print(f"{ABOUT[verb]}\nEvery key: --cfg job. What can be chosen: tippingpoint")
            return
        if words := WORDS.get(verb):
            word, *rest = rest or [""]
            if word not in words:
                what = f"there is no verb {word!r}" if word else "what to do with it is not given"
                raise InputError(f"tippingpoint {verb}", what, nearest(word, words))
            verb, rest = (word, rest) if verb == "data" else (f"{verb}_{word}", _named_policies([word, *rest])[1:])
        verb = _of_what(verb, rest)
        spare_cores()  # before any library that starts threads is loaded
        if verb in REGISTRY_VERBS:
            rest = _registry_words(rest)
        if verb == "diagnostics" and rest and "=" not in rest[0] and not rest[0].startswith("-"):
            rest = [f"code={rest[0]}", *rest[1:]]
        from tippingpoint.cli.launch import launch

        # The data verbs share their settings.
        code = launch(verb, "table" if verb in WORDS["data"] else verb, as_overrides(rest))
        sys.stdout.flush()
        sys.exit(code)
    except Exception as error:
        if any(argument.lower() == "debug=true" for argument in arguments):
            raise
        told = error if isinstance(error, TippingpointError) else UnexpectedError.of(error)
        print(told, file=sys.stderr)
        _drop_unwritten()
        sys.exit(told.exit_code)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        sys.exit(130)


def _drop_unwritten() -> None:
    """Let go of what stdout does not take, as Python would try again at its end and say so in its own way."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _groups() -> str:
    """What can be chosen, as the shipped folders hold it."""
    lines = []
    for group in ("data", "model", "policy", "economics", "experiment"):
        names = ", ".join(sorted(path.stem for path in (config_folder() / group).glob("*.yaml")))
        lines.append(fill(names, 108, initial_indent=f"  {group + '=':13}", subsequent_indent=" " * 15))
    return "Choose\n" + "\n".join(lines)


def _registry_words(arguments: list[str]) -> list[str]:
    """`promote 3`, `promote RUN_ID`, `promote resume 5` and `--dry-run` as Hydra takes them.

    >>> _registry_words(["3", "--to", "prod", "--dry-run"])
    ['model=3', '--to', 'prod', 'dry_run=true']
    >>> _registry_words(["resume", "5"])
    ['resume=5']
    """
    if arguments[:1] == ["resume"]:
        arguments = [f"resume={''.join(arguments[1:2])}", *arguments[2:]]
    found = ["dry_run=true" if word == "--dry-run" else word for word in arguments]
    if found and "=" not in found[0] and not found[0].startswith("-"):
        found[0] = f"{'run' if re.fullmatch('[0-9a-f]{32}', found[0]) else 'model'}={found[0]}"
    return found


def _of_what(verb: str, arguments: list[str]) -> str:
    """The job of a verb: `compare runs=[…]` fits nothing, `measure data=…` needs no decisions; each is one of its own.

    >>> _of_what("compare", ["runs=[a,b]"]), _of_what("compare", ["seed=1"])
    ('compare_runs', 'compare')
    >>> _of_what("measure", ["data=csv", "data.path=ab.csv"]), _of_what("measure", ["decisions=d.csv"])
    ('measure_arms', 'measure')
    """
    named = {word.lstrip("-+").partition("=")[0].partition(".")[0] for word in arguments}
    if verb == "compare" and "runs" in named:
        return "compare_runs"
    # With decisions, data are the raw events that say what came of them.
    return "measure_arms" if verb == "measure" and "data" in named and "decisions" not in named else verb


def _named_policies(arguments: list[str]) -> list[str]:
    """`policy diff a b` and `policy bind models:/c/3 a` as Hydra takes them; names hold no =.

    >>> _named_policies(["diff", "intent_bands", "my own.yaml", "--config-dir", "mine", "seed=1"])
    ['diff', "policies=[intent_bands,'my own.yaml']", '--config-dir', 'mine', 'seed=1']
    >>> _named_policies(["bind", "models:/c/3", "mine.yaml", "who=ann"])
    ['bind', 'model=models:/c/3', 'policies=[mine.yaml]', 'who=ann']
    """
    word, *rest = arguments
    if word not in ("diff", "bind"):
        return arguments
    if word == "bind" and rest and "=" not in rest[0] and not rest[0].startswith("-"):
        return [word, f"model={rest[0]}", *_named_policies(["diff", *rest[1:]])[1:]]
    values = {k + 1 for k, argument in enumerate(rest) if argument in HYDRA_OPTIONS_WITH_VALUE}
    named = {k for k, a in enumerate(rest) if k not in values and "=" not in a and not a.startswith("-")}
    names = ",".join(word if WORD.fullmatch(word) else quoted(word) for word in (rest[k] for k in sorted(named)))
    others = [argument for k, argument in enumerate(rest) if k not in named]
    return [word, *([f"policies=[{names}]"] if named else []), *others]


def as_overrides(arguments: list[str]) -> list[str]:
    r"""Turn `--key value`, the form in which `mlflow run -P key=value` passes it on, into Hydra's `key=value`.

    The value is quoted where Hydra would trip over its spaces, commas or quotes; lists and dicts stay Hydra's. An
    empty value counts as not given. Hydra's own options come last, where its parser wants them.

    >>> as_overrides(["--data.path", "Ann's users, new.csv", "-m", "--model", "[logistic,boosting]", "seed=1"])
    ["data.path='Ann\\'s users, new.csv'", 'model=[logistic,boosting]', 'seed=1', '-m']
    """
    overrides: list[str] = []
    options: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument in HYDRA_OPTIONS_WITH_VALUE:
            options += [argument, next(rest, "")]
        elif argument.split("=")[0] in HYDRA_OPTIONS or re.match("-[^-]", argument):
            options.append(argument)
        elif not argument.startswith("--"):
            overrides.append(_as_meant(argument))
        elif "=" in argument:
            overrides.append(_as_meant(argument.removeprefix("--")))
        elif (value := next(rest, None)) is None:
            raise InputError(argument, "has no value", f"Type {argument.removeprefix('--')}=…")
        elif value:
            plain = value.startswith(("[", "{")) or re.fullmatch(r"[A-Za-z0-9_./:@%+-]+", value)
            overrides.append(_as_meant(f"{argument.removeprefix('--')}={value if plain else quoted(value)}"))
    return [*overrides, *options]


def _as_meant(override: str) -> str:
    """SQL, addresses and reasons are text, whatever Hydra's grammar makes of =, commas and dots.

    >>> _as_meant("data.query=select a, b from t where c = 1")
    "data.query='select a, b from t where c = 1'"
    """
    key, _, value = override.partition("=")
    if key.lstrip("+") in TEXTS and value and not value.startswith(("'", '"')):
        return f"{key}={quoted(value)}"
    return override
