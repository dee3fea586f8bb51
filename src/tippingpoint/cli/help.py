"""What the command says of itself: the way through the verbs, and of each verb what one needs first.

Nothing is imported but what texts need: help must not wait for libraries.
"""

import sys
from textwrap import fill
from typing import NamedTuple

from tippingpoint.config.compose import config_folder
from tippingpoint.core.errors import InputError, TippingpointError


class Help(NamedTuple):
    """What `tippingpoint VERB --help` says.

    Parameters
    ----------
    what
        What the verb does, in a sentence or two.
    keys
        What one types first, each with what it does.
    example, answers
        A line to type, and what is answered.
    page
        Where it is explained, below `docs/`.
    """

    what: str
    keys: tuple[tuple[str, str], ...]
    example: str
    answers: str
    page: str


HELP = """\
tippingpoint: which model, which cut-offs, how much money, how sure.
  tippingpoint VERB [group=name] [key=value] [-m]          tippingpoint VERB --help

The way
  compare   models under one policy on the same users: which is best, and what is it worth
  simulate  other cut-offs, policies, budgets and prices, without a new fit
  promote   the challenger becomes champion, if the gate lets it
  score     decisions for a table of users, a random share of them to learn from
  measure   what the decisions brought, beside what was promised; or the arms of any experiment

Also
  daily     a day on raw events: decide, measure, where asked fit again and promote; done once
  data      describe, explore or write a table;  features  users of raw events as of a day
  run       one family;  tune  hyper-parameters searched to a number of trials
  plan      how many users and days an experiment takes, and what it tells;  plan lock  files it
  policy    lint: gaps and empty segments;  diff A B: what changes for whom;  bind: a policy to a model
  rollback  the previous champion again;  history, status  who is champion, since when, what is amiss
  serve     the champion over HTTP;  dashboard  marketing's pages;  ui  MLflow's pages of this folder
  doctor    whether the store can be used;  diagnostics  what jobs look for;  completion  for your shell

Start
  tippingpoint compare                                                   generated users
  tippingpoint compare data=csv data.path=users.csv data.target=adopter  your own table
  tippingpoint run -m model=logistic,boosting seed=0,1                   a sweep; typed again, it goes on

{groups}
Every key of a verb: --cfg job. Your own groups: --config-dir FOLDER. One JSON object: output=json.
Runs go to MLflow's store in this folder, or to MLFLOW_TRACKING_URI.
Exit codes: 0 done, 1 a check said no, 2 wrong input, 3 something outside failed.
"""

OWN = (
    "data=csv data.path=users.csv data.target=adopter",
    "your own table; data.good=false where outcome 1 is not wanted",
)
PRICES = ("economics.price=8", "and economics.actions.discount_10.contact_cost=0.1: your prices")
ABOUT = {
    "compare": Help(
        "Model families under one policy on the same users; the best is registered.",
        (
            OWN,
            ("model=[logistic,boosting]", "which families; model.boosting.max_depth=4 changes one"),
            ("policy=top_fraction policy.share=0.1", "who gets which action"),
            PRICES,
            ("learner=dr policy=effect_bands", "what the action adds is learnt, and cut"),
        ),
        "tippingpoint compare",
        "Do not ship: logistic under intent_bands.",
        "tutorials/first_comparison.md",
    ),
    "run": Help(
        "One family, fitted, measured, filed and registered; -m runs a sweep.",
        (
            OWN,
            ("model=boosting model.boosting.max_depth=4", "which family, with which parameters"),
            ("policy=top_fraction policy.share=0.1", "who gets which action"),
            ("-m model=logistic,boosting seed=0,1", "one job for each combination"),
            ("tracking.register_model=false", "keep the registry out of it"),
        ),
        "tippingpoint run model=logistic",
        "logistic ranks users: ROC AUC 0.807 [0.786, 0.826] on test.",
        "how_to/sweep.md",
    ),
    "tune": Help(
        "Hyper-parameters searched to a number of trials; the winner is registered. The same line goes on.",
        (
            OWN,
            ("model=boosting", "which family; all: each its share, the weak ones stop early"),
            ("tune.trials=200", "complete trials in all"),
            ("tune.workers=4", "processes that share data and cores"),
            ("tune.objectives=[value]", "money under the policy, where it is measured"),
        ),
        "tippingpoint tune model=boosting tune.trials=200",
        "the gain over the family's own parameters, with an interval as wide as so many trials need",
        "how_to/tune.md",
    ),
    "simulate": Help(
        "Cut-offs, policies, budgets and prices on models that are there; the latest compare's by default.",
        (
            ("policy.cuts='[0.4,0.6]'", "what if high started at 0.6?"),
            ("policies=[top_fraction,best_action]", "further policies, or YAML files"),
            ("budget.contacts=500", "at most so many contacts; budget.money=…"),
            ("economics.price=8", "other prices"),
            ("models=[models:/conversion/1]", "other models than the latest compare's"),
        ),
        "tippingpoint simulate policy.cuts='[0.1,0.2]'",
        "Do not ship: boosting under intent_bands.",
        "how_to/thresholds.md",
    ),
    "measure": Help(
        "What decisions brought, beside what was promised; with data= what the arms of any experiment did.",
        (
            ("decisions=decisions.parquet outcomes=outcomes.csv", "of score … holdout=0.1; and what came of them"),
            ("outcome=converted at=converted_at within=14", "what counts, and for how many days"),
            ("decisions=… data=events data.product=…", "raw events say it; outcome=invoice.paid, or Playback"),
            ("absent=zero", "users without a row did not convert; else they are not known"),
            ("data=csv data.path=ab.csv data.action=arm", "an experiment of your own, with data.target=retained"),
        ),
        "tippingpoint measure decisions=decisions.parquet outcomes=outcomes.csv absent=zero",
        "models:/conversion/1 converted per 1,000 +37.2 [19.5, 54.9] more than nothing; promised +36.0",
        "how_to/measure.md",
    ),
    "plan": Help(
        "How many users and days an experiment takes, and the smallest effect it tells, in outcomes and money.",
        (
            ("rate=0.04 users_per_day=500 days=28", "two arms, half each; arms='{A: 0.8, B: 0.2}'"),
            ("smallest=5", "how long until 5 per 1,000 are told"),
            ("model=models:/conversion/1 holdout=0.1", "a version's policy beside a share that is drawn"),
            ("run=ID between='[0.3,0.6]'", "a simulation; users between two scores"),
            ("design_effect=1.6 variance_saved=0.3", "groups, and what adjusting saves"),
        ),
        "tippingpoint plan rate=0.04 users_per_day=500 days=28",
        "In 28 days (14,000 users) an effect of +9.7 outcome per 1,000 users is told with 80%.",
        "how_to/plan.md",
    ),
    "promote": Help(
        "The challenger becomes champion, model and policy as one, if the gate lets it; else the exit code is 1.",
        (
            ("tippingpoint promote 3", "another version than the challenger; or run=RUN_ID"),
            ("gate=strict --dry-run", "standard, strict or no_worse; judged, and nothing moves"),
            ("promote pin gate=strict gate.approval=true", "for everyone, from now on; promote unpin takes it away"),
            ("promote request 3", "where a second person has to agree, who types promote approve 7"),
            ("why='more sessions in training'", "what the journal says of it; to=prod: of which environment"),
        ),
        "tippingpoint promote why='first model'",
        "Promoted: models:/conversion/1 is champion",
        "how_to/promote.md",
    ),
    "rollback": Help(
        "The previous champion again, once it has loaded and scored.",
        (
            ("why='scores too high'", "what the journal says of it"),
            ("to=prod", "of NAME-prod"),
            ("--dry-run", "checked, but nothing moves"),
        ),
        "tippingpoint rollback why='scores too high'",
        "models:/conversion/1 is champion again",
        "how_to/promote.md",
    ),
    "history": Help(
        "Who was made champion, by whom, on which grounds; figures then and now.",
        (("name=conversion to=prod", "of which model"), ("limit=0", "all entries, not only the newest 50")),
        "tippingpoint history",
        "one entry a line, the newest first",
        "how_to/promote.md",
    ),
    "status": Help(
        "Who is champion and challenger, and what is amiss with what to type.",
        (("name=conversion to=prod", "of which model"),),
        "tippingpoint status",
        "champion, challenger, and nothing amiss",
        "how_to/promote.md",
    ),
    "score": Help(
        "Decisions for users by the champion: score, segment, action, expected value.",
        (
            ("input=users.csv to=decisions.parquet", "CSV, Parquet, a folder, duckdb:///…?table=users, postgresql://…"),
            ("holdout=0.1", "a random share gets a random action: what `measure` needs"),
            ("only=[high]", "the target list of these segments, best first"),
            ("model=models:/conversion@challenger reasons=true", "another version; why each score"),
            ("parts=true to=decisions", "a folder of parts; killed and typed again, it goes on"),
        ),
        "tippingpoint score input=today.csv to=decisions.parquet holdout=0.3",
        "today.csv: 20,000 rows in = 20,000 decided + 0 quarantined.",
        "how_to/score.md",
    ),
    "policy": Help(
        "policy lint    gaps, overlaps, segments no one reaches; exit code 1 where something waits for an answer\n"
        "policy diff    what changes for whom, from one policy to another\n"
        "policy bind    another policy for a version's model: a new version without a fit",
        (
            ("policy lint policy=retention data=retention", "economics=retention"),
            ("policy diff intent_bands mine.yaml", "options, files or registered versions"),
            ("policy bind models:/conversion/3 mine.yaml", "or policy.cuts='[0.3,0.6]' policy.version=2"),
            ("model=models:/conversion@challenger", "whose score, for policies that read it"),
        ),
        "tippingpoint policy diff intent_bands intent_shares model=models:/conversion@challenger",
        "how many users change their segment and action",
        "how_to/question.md",
    ),
    "data": Help(
        "data describe  types, roles, missing, leak suspects; to=contract.yaml writes a contract to edit\n"
        "data explore   one page of users before any model; to=users.html\n"
        "data write     a generated table, or events: data=streamzone to=users.parquet, data=event_log to=events",
        (
            ("data=csv data.path=users.csv data.target=adopter", "a CSV (also gzipped), Parquet, or a folder of them"),
            ("data=sql data.url=… data.query='select …'", "a query of DuckDB or PostgreSQL"),
            ("data.contract=contract.yaml", "rows that break it are quarantined"),
            ("data.id=… data.drop=[…] data.good=false", "what to correct"),
            ("data.action=… data.logging_probability=uniform", "what was done to users, and with which chance"),
        ),
        "tippingpoint data describe data=csv data.path=free_users.csv.gz data.target=upgraded",
        "Leak suspects: first_invoice (all 514 users from 9.99 up have the rarer outcome).",
        "how_to/read_tables.md",
    ),
    "features": Help(
        "Users of raw events as of a day, with the features a model reads, as a file; score data=events … needs none.",
        (
            ("data=events data.product=… data.payments=…", "exports of Mixpanel and Stripe"),
            ("as_of=2026-03-01", "the day before which events were received"),
            ("to=users.parquet", "where to write"),
            ("days=7", "who came to their cut-off in the week before, not the day"),
        ),
        "tippingpoint features data=event_log as_of=2024-06-01 to=users.parquet",
        "one row a user",
        "how_to/databases_and_events.md",
    ),
    "daily": Help(
        "A day on raw events: decisions of the champion into a table, then what earlier ones brought.\n"
        "Typed again it does what is left. Exit code 1 asks for a person: drift, less than promised, the gate said no.",
        (
            ("data=events data.product=… data.payments=…", "the log; as_of=2026-03-05: the day"),
            ("predictions='duckdb:///app.duckdb?table=predictions'", "where decisions go, and are read back"),
            ("campaign=spring holdout=0.1", "part of their key; the share that tells what they bring"),
            ("since=2026-02-01", "every day from this one to as_of"),
            ("retrain=compare retrain_every=7", "fitted again, judged and promoted on every 7th day"),
        ),
        "tippingpoint daily data=event_log as_of=2025-03-05 predictions='duckdb:///app.duckdb?table=predictions'",
        "a line a step: done, done before, or what asks for a person",
        "how_to/daily.md",
    ),
    "serve": Help(
        "The champion over HTTP: /score, /explain, /policy, /health, /ready, /metrics, /openapi.json.\n"
        "Whoever is promoted takes over.",
        (
            ("model=models:/conversion@challenger", "another alias is followed, models:/conversion/3 stays"),
            ("port=8001 host=0.0.0.0", "others only with TIPPINGPOINT_API_KEY in the environment"),
        ),
        "curl localhost:8000/ready",
        "which version serves, and why another does not",
        "how_to/serve.md",
    ),
    "dashboard": Help(
        "Marketing's pages, on this machine only: bring users, see segments, move cut-offs, download the list.",
        (
            ("port=8502", "on which port"),
            ("model=models:/conversion@challenger", "another than each question's champion"),
            ("predictions=… outcomes=… logins=…", "what came of earlier decisions"),
        ),
        "tippingpoint dashboard",
        "http://127.0.0.1:8501, on the champion or on demo data",
        "how_to/dashboard.md",
    ),
    "ui": Help(
        "Serve the MLflow pages of this folder's store.",
        (("port=5001", "on which port"),),
        "tippingpoint ui",
        "http://127.0.0.1:5000",
        "how_to/reports.md",
    ),
    "doctor": Help(
        "Versions, and whether the store can be used.",
        (("output=json", "for a program"),),
        "tippingpoint doctor",
        "versions, the store, who you are there and what you may do",
        "how_to/team_rights.md",
    ),
    "diagnostics": Help(
        "What jobs look for, from where on they tell it, why, and what to do.",
        (("TP301", "one in full"),),
        "tippingpoint diagnostics TP301",
        "TP301 overlap (veto)",
        "explanation/trust.md",
    ),
    "completion": Help(
        "Completes verbs, groups and keys in your shell, without starting Python.",
        (
            ("bash > ~/.local/share/bash-completion/completions/tippingpoint", "begins with the next shell"),
            ("zsh > ~/.zfunc/_tippingpoint", "with fpath+=~/.zfunc before compinit"),
            ("fish > ~/.config/fish/completions/tippingpoint.fish", ""),
        ),
        "tippingpoint completion bash",
        "a script for the shell",
        "how_to/completion.md",
    ),
}  # fmt: skip
"""The verbs, each with its help."""
WORDS = {"policy": ("lint", "diff", "bind"), "data": ("describe", "explore", "write")}
"""The second words of verbs that have some."""

PAGES = {
    "data": "how_to/read_tables.md",
    "data.action": "explanation/evidence.md",
    "data.logging_probability": "explanation/evidence.md",
    "data.group": "explanation/few_outcomes.md",
    "data.good": "how_to/question.md",
    "data.snapshots": "how_to/databases_and_events.md",
    "input": "how_to/score.md",
    "policy": "how_to/thresholds.md",
    "policies": "how_to/thresholds.md",
    "economics": "explanation/money.md",
    "learner": "how_to/effects.md",
    "model": "how_to/own_parts.md",
    "gate": "explanation/gate.md",
    "diagnostics": "explanation/trust.md",
    "split": "explanation/folds.md",
    "evaluate": "how_to/folds.md",
    "holdout": "how_to/score.md",
    "tracking": "how_to/reports.md",
}
"""Where keys are explained, below `docs/`; those of no group here, where their verb is."""


def screen() -> str:
    """Return what `tippingpoint` alone says, with the options that the shipped folders hold."""
    lines = []
    for group in ("data", "model", "policy", "economics", "experiment"):
        names = ", ".join(sorted(path.stem for path in (config_folder() / group).glob("*.yaml")))
        lines.append(fill(names, 108, initial_indent=f"  {group + '=':13}", subsequent_indent=" " * 15))
    return HELP.format(groups="Choose\n" + "\n".join(lines))


def about(verb: str) -> str:
    """Return what `tippingpoint VERB --help` says."""
    of = ABOUT[verb]
    keys = [f"  {typed:48} {does}".rstrip() for typed, does in of.keys]
    example = ["", "Example", f"  {of.example}", f"    {of.answers}"]
    return "\n".join([of.what, "", *keys, *example, "", f"More: docs/{of.page}. Every key: --cfg job.", ""])


def page_of(key: str, verb: str) -> str | None:
    """Return the page that a refusal of a verb's key names: that of the key, else of its group, else of the verb."""
    group = key.partition(".")[0]
    said = ABOUT.get(verb) or ABOUT.get(verb.partition("_")[0])
    return PAGES.get(key) or PAGES.get(group) or (said.page if said else None)


def name_page(error: TippingpointError, verb: str) -> None:
    """Say to a person, not to a script, where the key that was refused is explained."""
    if sys.stderr.isatty() and isinstance(error, InputError) and (page := page_of(error.where, verb)):
        print(f"See docs/{page}", file=sys.stderr, flush=True)
