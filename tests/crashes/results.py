"""The results of the long run, in `docs/crashes.md`, which each part of the run writes by itself."""

import fcntl
from datetime import datetime

from tests.crashes.journeys import Tour
from tests.instances import ROOT

PAGE = ROOT / "docs" / "crashes.md"
HEAD = """\
# Crashes

`make proof` kills a server by SIGKILL after **every** storage call of each journey (a statement or a commit in SQL, a command of the
short-lived store), when the call has taken effect and before the server has its answer. Each time a new person or portal walks, and goes
on in another of the ways that there are (reload, the portal again, another browser, the registration resumed by phone). These hold:

- no account without its document, phone, password, evidence, audit event and registered draft, and none of these without the account;
- no draft that says more than has happened; nobody signed in by one factor;
- no secret that was born in the dead server is a token that a portal can use, unless its grant stands in the database;
- a code that was spent and not answered: the portal's second try is a replay, and no token of its grant lives afterwards. Until then the
  grant may stand, and its tokens are known to nobody: they were never sent;
- a refresh token that was spent and not answered: the second try within the grace is refused and the family lives; a later one revokes it;
- the person, or the portal by the person's session, gets through to living tokens at level 2 with the same ID number and phone.

`make test` does the same after every call of the code exchange and the refresh on both stacks, and, for registration (embedded) and sign-in
(production), after every call that leaves something behind. The stacks: `embedded` is SQLite files, `production` PostgreSQL and Redis.

The row `Under load`, once a run has written it, is `idp serve` (people sign in, portals redeem, refresh and ask) whose Redis and PostgreSQL
are killed, frozen and started again at random: there the calls are answers, and the crashes outages. It is written only where no answer was
500, broke off or was late, every 503 had `Retry-After`, and every token that was given was found stored or good.

The last long run, written by the run itself (`tests/crashes/results.py`):

| Journey | Stack | Storage calls | Crashes | How it went on | Date |
|---|---|---|---|---|---|
"""


def note(journey: str, stack: str, tour: Tour, *, at: datetime) -> None:
    """Write what came of a journey on a stack in the place of what came of it the last time."""
    first = f"| {journey} | {stack} |"
    ends = "; ".join(f"{number} times: {end}" for end, number in sorted(tour.ends.items()))
    row = f"{first} {tour.calls} | {tour.crashes} | all got through. {ends} | {at:%Y-%m-%d} |"
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build" / "crashes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith(("| Journey", first))]
        PAGE.write_text(HEAD + "\n".join(sorted([*rows, row])) + "\n", encoding="utf-8")
