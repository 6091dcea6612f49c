"""The people and pipelines of a run: they deploy, wish, kill and release kills, and try again when a door fails."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from controller.core.model import IntentKind, Release
from controller.core.moves import ENDED
from controller.ports import Page, PortError
from controller.wishes import Rejected, Submission
from gates.kill import Verb, parse_scope
from tests.sim.faults import Crashed
from tests.sim.node import Look, Node
from tests.sim.scenario import Event

if TYPE_CHECKING:
    from tests.sim.sim import Simulation

AGAIN_S = 3.0
TRIES = 6
"""A person who gets an error tries again a few times, then gives up; kills and aborts are pressed until they hold."""
URGENT = frozenset({"kill", "unkill", "abort"})
WISHES = {kind.value: kind for kind in IntentKind}


@dataclass(slots=True)
class Wish:
    event: Event
    at_s: float
    tries: int = 0


class People:
    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._again: list[Wish] = []
        self._kills: dict[str, list[str]] = {}

    def does(self, event: Event) -> bool:
        """Whether ``event`` is something people do; then it is done now, or tried."""
        if event.kind not in (*WISHES, "deploy", "retry", "edit", "kill", "unkill"):
            return False
        self._try(Wish(event, self._sim.world.time_s))
        return True

    def step(self) -> None:
        due = [wish for wish in self._again if wish.at_s <= self._sim.world.time_s]
        for wish in due:
            if wish in self._again:
                self._again.remove(wish)
                self._try(wish)

    @property
    def waiting(self) -> bool:
        return bool(self._again)

    def _try(self, wish: Wish) -> None:
        node = self._door()
        if node is not None and self._done(node, wish.event):
            return
        tries = wish.tries + (node is not None)
        if tries < TRIES or wish.event.kind in URGENT:
            self._again.append(Wish(wish.event, self._sim.world.time_s + AGAIN_S, tries))

    def _door(self) -> Node | None:
        open_doors = [node for node in self._sim.nodes if node.alive and not node.frozen and node.epoch]
        return self._sim.random.choice(open_doors) if open_doors else None

    def _done(self, node: Node, event: Event) -> bool:
        """Carry it out on ``node``; False when it is worth trying again."""
        depth = len(node.looks)
        node.looks.append(Look())
        try:
            return self._act(node, event)
        except Rejected as no:
            self._sim.note("REJECTED", event.kind, no.code)
            return no.code != "conflict"
        except PortError as error:
            self._sim.note("DOOR FAILED", event.kind, type(error).__name__)
            return False
        except Crashed:
            return False
        finally:
            del node.looks[depth:]

    def _act(self, node: Node, event: Event) -> bool:
        match event.kind:
            case "deploy":
                application, version, instead = event.args
                node.commands.submit(Submission(application, version, "ann", bool(instead)))
            case "retry":
                ended = [r for r in self._releases(event.args[0]) if r.phase in ENDED]
                if ended:
                    node.commands.retry(ended[0].id, "ann")
            case "edit":
                app = self._sim.world.app(event.args[0])
                node.commands.register(replace(app, canary=replace(app.canary, min_bake_s=20.0)), "ann")
            case "kill":
                return self._kill(node, *event.args)
            case "unkill":
                return self._unkill(node, event.args[0])
            case _:
                return self._wish(node, WISHES[event.kind], event.args[0])
        return True

    def _wish(self, node: Node, kind: IntentKind, application: str) -> bool:
        release = self.current(application)
        if release is None:
            return True
        done = node.commands.intend(release.id, kind, "bob", "because")
        self._sim.note("DONE", kind.value, release.id, done.text)
        if kind is IntentKind.ABORT and done.release.phase not in ENDED:
            self._sim.oracles.aborted(release.id)
        return done.durable

    def _kill(self, node: Node, tag: str, verb: str, scope: str) -> bool:
        kind, _, name = scope.partition(":")
        if kind == "release":
            release = self.current(name)
            scope = f"release:{release.id}" if release is not None else f"application:{name}"
        engaged = node.switch.engage(Verb(verb), parse_scope(scope), "eve")
        self._kills.setdefault(tag, []).append(engaged.engagement.id)
        self._sim.note("KILL", scope, verb, engaged.engagement.id, *(f"{p.path}={p.state}" for p in engaged.paths))
        if engaged.effective:
            self._sim.oracles.engaged(engaged.engagement)
        return engaged.effective

    def _unkill(self, node: Node, tag: str) -> bool:
        """Release every press of one kill, and what a press that was never answered has left on a route."""
        mine = self._kills.setdefault(tag, [])
        mine += [e.id for e in node.switch.orphans() if e.id not in mine]
        for identifier in list(mine):
            try:
                node.switch.release(identifier, "eve", "over")
            except KeyError:
                if not node.switch.state().readable:
                    return False
            if identifier in mine:  # somebody else may have released it inside that call
                mine.remove(identifier)
        self._again = [wish for wish in self._again if wish.event.kind != "kill" or wish.event.args[0] != tag]
        return True

    def release_everything(self) -> bool:
        """Take back every kill that was ever pressed. True when none is left."""
        node = self._door()
        if node is None:
            return False
        listed = {e.id for e in self._sim.store.kills().engaged} | {e.id for e in node.switch.state().engaged}
        self._kills["listed"] = sorted(listed)
        done = [self._done(node, Event(0, "unkill", (tag,))) for tag in sorted(self._kills)]
        return all(done)

    def all_wish(self, kind: str) -> None:
        for application in self._sim.world.apps:
            self.does(Event(self._sim.world.time_s, kind, (application,)))

    def current(self, application: str) -> Release | None:
        """What the pages would show as the release of the application: read past all faults."""
        active = self._sim.store.active(application)
        return next((r for r in active if r.superseded_by is None), active[0] if active else None)

    def _releases(self, application: str) -> list[Release]:
        return list(self._sim.store.releases(Page(limit=50), application))
