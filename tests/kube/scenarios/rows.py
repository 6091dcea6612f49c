"""The forty scenarios, in our words, and where each applies. The page in the docs comes from this and the tests."""

from __future__ import annotations

from dataclasses import dataclass

ROUTERS = ("httpRoute", "virtualService", "ingressNginx", "traefik", "replicas")
EVERY = frozenset(ROUTERS)


@dataclass(frozen=True, slots=True)
class Row:
    """``absent`` says why no router has it: what later part brings it, or why it can never apply."""

    number: int
    title: str
    routers: frozenset[str] = EVERY
    absent: str = ""
    partly: str = ""


NO_BLUE_GREEN = "There is no blue-green strategy: a promotion rolls stable while the canary still serves."
CAN_MATCH = frozenset({"httpRoute", "virtualService", "ingressNginx"})

ROWS: tuple[Row, ...] = (
    Row(1, "The first version of an application serves all traffic at once, without steps or analysis."),
    Row(2, "A good version goes through every weight in order, never backwards, and becomes stable."),
    Row(3, "A bad version is at weight 0 before any of its pods goes, and the reason names metric, value and limit."),
    Row(4, "A pause keeps the weight for any time, and no deadline ends it."),
    Row(5, "A timed wait ends by itself when its time is over: the minimum bake is one."),
    Row(6, "A promotion of a paused release passes exactly one step; sent twice it still passes one."),
    Row(7, "A full promotion skips the steps, is recorded as a bypass, and rolls stable before it ends."),
    Row(8, "Abort, retry, and then to the end: the retry begins at the first step with fresh evidence."),
    Row(9, "An abort with nothing in progress changes nothing."),
    Row(10, "After an abort the canary's pods stay for the drain delay, then they go."),
    Row(11, "The drain delay is honoured after the second abort as after the first."),
    Row(12, "An abort does not wait for a degraded stable."),
    Row(13, "An abort does not wait for autoscaling that happens in the same moment."),
    Row(14, "An abort after every canary pod is gone ends at weight 0 without an error loop."),
    Row(15, "A canary that loses its last available pod loses its traffic on the next look."),
    Row(16, "One crashing pod of several does not stop the judgement of the others."),
    Row(17, "A canary that never gets ready never has traffic, and fails at its deadline."),
    Row(18, "Pauses and the drain delay do not use up a deadline."),
    Row(19, "A newer version in the middle: weight 0 first, then the new canary, from its first step."),
    Row(20, "Going back to stable's version in the middle reverts at once; deploying again starts a new canary."),
    Row(21, "A version submitted while the last rollback still waits for stable is not lost."),
    Row(
        22,
        "A return to a recent version skips steps and analysis inside a rollback window.",
        frozenset(),
        "Not offered: an older version is judged like any other; a person may promote it in full, on record.",
    ),
    Row(23, "Bad then good gets through; bad then bad leaves stable alone."),
    Row(24, "Scaling stable while a release is paused scales the canary with it."),
    Row(
        25,
        "A replica-weighted canary keeps its share when weights rise and when they fall.",
        frozenset({"replicas"}),
        partly="The other routers weigh requests and not pods.",
    ),
    Row(26, "A new version and a new number of replicas at the same time skip no step."),
    Row(27, "The weight never exceeds the plan's maximum, and both weights are always 100 together."),
    Row(
        28,
        "Requests with the agreed header go to the canary; the rule is gone after the end and after an abort.",
        CAN_MATCH,
        partly="A TraefikService and a Service's endpoints cannot look at headers.",
    ),
    Row(
        29,
        "Rules, filters and destinations of others stay exactly as they are.",
        EVERY - {"replicas"},
        partly="Without a route object there is nothing of others to keep.",
    ),
    Row(30, "A weight edited by somebody else is put back, reported, and advances nothing."),
    Row(31, "A failure after a blue-green switch returns before the new pods go.", frozenset(), NO_BLUE_GREEN),
    Row(32, "A blue-green preview is scaled up before the switch.", frozenset(), NO_BLUE_GREEN),
    Row(33, "No answer from the metrics follows the policy for missing data, and is never taken for good."),
    Row(34, "A number that is none, an infinite one, a stale one: never good, always said."),
    Row(35, "With the metrics' server down nothing rises; it goes on without a restart when they come back."),
    Row(36, "Without a decision at the horizon the release pauses; a promotion then passes exactly one step."),
    Row(37, "Secrets of the application never reach records, logs or sentences."),
    Row(
        38,
        "An approval gate holds, continues, survives restarts, and counts as no when it cannot be reached.",
        frozenset(),
        "Approvals come with the gates; a kill and a pause hold a release today.",
    ),
    Row(39, "A controller killed before and after every write comes to the same end."),
    Row(40, "Of two controllers the older one can write nothing any more."),
)
