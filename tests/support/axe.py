"""What keeps people out of a page, as axe-core finds it: of what it calls serious or critical."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

from tests.support.browser import Page
from tests.support.missing import give_up

_SCRIPT = Path(__file__).with_name("get-axe.sh")
_RUN = """
axe.run(document, { resultTypes: ["violations"] }).then(({ violations, passes }) => [passes.length, violations
  .filter(({ impact }) => ["serious", "critical"].includes(impact))
  .map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.slice(0, 5).map(({ target, failureSummary }) =>
    ({ target: target.join(" "), failureSummary })) }))])
"""
Violation = dict[str, Any]


async def violations(page: Page) -> list[Violation]:
    """Return what is serious or critical in the page as it is now; skips the test where axe-core is not there."""
    await page.run(await asyncio.to_thread(_axe) or give_up("no axe-core here: make axe"))
    passed, found = await page.run(_RUN)
    assert passed, "it looked at nothing"
    return list(found)


def _axe() -> str:
    """Return its script; empty where there is none."""
    said = subprocess.run([_SCRIPT, "--print-file"], check=True, capture_output=True, text=True).stdout
    path = Path(said.strip())
    return path.read_text(encoding="utf-8") if path.exists() else ""
