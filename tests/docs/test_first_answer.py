"""The picture of the README: what a report shows first, above what each policy adds.

TIPPINGPOINT_PICTURES=docs/pictures makes it anew.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import working_in
from tippingpoint.comparison.job import compare
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose

DOCS = Path(__file__).parents[2] / "docs"
ASKED = [
    *("data=csv", f"data.path={DOCS / 'tutorials/emails.csv.gz'}", "data.target=visited", "data.action=email"),
    *("data.logging_probability=uniform", "data.measures=[spent]", "model=logistic", "learner=[response,t]"),
    *("policy=top_fraction", "policy.name=shoes_by_effect", "policy.share=0.5", "policy.by=own", "policy.gain=money"),
    *("policy.actions={rest: none, top: running_shoes}", "~economics.actions.discount_10"),
    *("~economics.actions.checkout_prompt", "+economics.actions.running_shoes={contact_cost: 0.05}"),
    *("+economics.actions.voucher={contact_cost: 0.05}", "economics.name=emails", "economics.price=1"),
    *("economics.months=1", "economics.ad_revenue=0", "explain_rows=20"),
]
SHOW = """([drawn]) => {
  const box = document.querySelector("section.decision");
  const plot = document.createElement("div");
  document.body.replaceChildren(box, plot);
  Object.assign(document.body.style, {padding: "16px", margin: 0, maxWidth: "none"});
  Plotly.newPlot(plot, drawn.data, drawn.layout, {staticPlot: true});
}"""


@pytest.mark.programs
def test_the_first_answer_says_ship_above_the_uplift_of_every_policy(tmp_path: Path, browser: Any) -> None:
    with working_in(tmp_path):
        result = compare(CompareSettings.from_config(compose("compare", ASKED)))
    (report,) = tmp_path.rglob("report.html")
    figure = result.plot.uplift()
    assert {"logistic_t", "logistic", "everyone running_shoes"} <= set(figure.data.iloc[:, 0])
    page = browser.new_page(viewport={"width": 900, "height": 300}, device_scale_factor=1.5)
    page.goto(report.as_uri())
    page.wait_for_selector(".plot .trace")
    page.evaluate(SHOW, [json.loads(json.dumps(figure.drawn))])
    page.wait_for_selector(".errorbar")
    assert page.inner_text("section.decision").startswith("Ship: logistic_t under shoes_by_effect.")
    taken = page.screenshot(full_page=True)
    assert len(taken) < 200_000
    if folder := os.environ.get("TIPPINGPOINT_PICTURES"):
        (Path(folder) / "first_answer.png").write_bytes(taken)
