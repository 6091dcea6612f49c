"""The planted bugs of what keeps a release where it is: a note of a newer leader, and a stable that is too small."""

from __future__ import annotations

from tests.sim.mutants.planted import Mutant
from tests.sim.mutants.planted import mutant as _mutant

BACK, SCENE = "controller.core.back", "controller.core.scene"
COMMANDS, RECONCILE = "controller.commands", "controller.reconcile"
FENCING, OBSERVE = "controller.fencing", "controller.observe"

HELD: tuple[Mutant, ...] = (
    _mutant(
        "abort_waits_for_overload",
        "an abort waits for a stable that is too small, and the door does not lower by itself",
        (
            BACK,
            "        return replace(release, intent=None)\n    return roll_back(release, reason, scene.now_s)\n",
            "        return replace(release, intent=None)\n    return roll_back_by_itself(scene, reason)\n",
        ),
        (
            RECONCILE,
            "    if release.intent is not None and release.intent.kind is IntentKind.ABORT:\n        return True\n",
            "",
        ),
        (
            COMMANDS,
            "            stuck = self._take_back(release_id, intent) if kind is IntentKind.ABORT else None\n",
            "            stuck = None\n",
        ),
    ),
    _mutant(
        "overload_waits_forever",
        "a rollback waits for a stable that is too small until it is not, however long that takes",
        (SCENE, " or missing == 0 or scene.now_s >= until_s:\n", " or missing == 0:\n"),
    ),
    _mutant(
        "overload_never_waits",
        "a rollback sends everything to a stable that is too small at once, whatever the plan says",
        (SCENE, " or missing == 0 or scene.now_s >= until_s:\n", " or True:\n"),
    ),
    _mutant(
        "note_ends_the_lead",
        "a note of a newer leader on one route in a cluster ends the lead over all",
        (
            FENCING,
            "    if isinstance(app.router, HaproxyRoute):\n        return True\n",
            "    if True:\n        return True\n",
        ),
    ),
    _mutant(
        "note_holds_stops",
        "a note of a newer leader on a route in a cluster keeps its traffic on the canary",
        (FENCING, "        return ports.store.epoch() == epoch\n", "        return False\n"),
    ),
    _mutant(
        "note_is_overlooked",
        "a release goes on over a note that names a newer leader",
        (
            OBSERVE,
            "    if newest > epoch and not overtaken(ports, app, epoch):\n        raise outranked(app, newest, epoch)\n"
            "    if newest > epoch:\n",
            "    if newest > epoch and overtaken(ports, app, epoch):\n",
        ),
    ),
)
