"""The requirements on the gate, one short line each, and the part that brings those which no test shows yet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """``part`` is where it belongs; it is what the page names while no test shows the requirement."""

    id: str
    words: str
    part: str


PARTS = {
    "grading": "grading and policies",
    "steps": "the door for steps of a pipeline",
    "approvals": "requests and approvals",
    "audit": "the audit record",
    "learning": "the learning report",
    "notices": "notifications",
    "cluster": "the in-line gate for Kubernetes writes",
    "releases": "guarded releases",
}
_TEXT = """
SK-01 grading | a read runs without approval and is only logged
SK-02 grading | under the strict profile every change stops before its first effect
SK-03 steps | every client passes the same gate
SK-04 steps | the executor is reached from the gate alone
SK-05 steps | of a mixed batch the reads run and the first write stops it
SK-06 approvals | an approval continues where it stopped; a denial comes back with its reason
SK-07 approvals | a card offers approve, deny and stop; stop ends the whole run
SK-08 approvals | a card says what changes, why it is believed safe and how it is verified
SK-09 steps | the verification plan runs afterwards and its outcome is recorded
SK-10 approvals | without a verification plan a step cannot be approved
SK-11 approvals | who decided, when, on which content and with which context is kept
SK-12 audit | every executed change has exactly one authorising record
SK-13 cluster | a selector is resolved to objects, and held when the set differs at execution
SK-14 grading | the tier comes from the registry, never from a name
SK-15 grading | an ambiguous intent is held until the targets are explicit
SK-16 grading | what was read too long ago counts no longer
SK-17 grading | truncated, cached or timed out evidence raises the control
SK-18 grading | confidence alone releases nothing that a rule holds
SK-19 approvals | a delete shows the safer alternative and the way back
SK-20 grading | effect and reach are graded, never the verb
SK-21 approvals | below G3 a complete card takes one click
SK-22 grading | a decision can be explained from rule, inputs and outcome
SK-23 grading | a tool without metadata is held
SK-24 grading | reads and stops never wait behind an approval
SK-25 steps | nothing held runs silently
SK-26 cluster | every record carries the identity of the cluster
SK-27 cluster | a card lists known dependents
SK-28 grading | an incomplete request is refused with what is missing
SKP-01 approvals | without a login there is no decision
SKP-02 approvals | an approval names its approver and binds the arguments
SKP-03 releases | a stop whose store is down stops by another path
SKP-04 steps | a closed browser cancels nothing half-way
SKP-05 approvals | a pending approval survives a restart
SKP-06 grading | a tool's own claim to only read counts for nothing
SKP-07 cluster | loading write tools is itself a decision of the policy
SKP-08 grading | what cannot be classified is held
AH-01 steps | a call is paused before anything has happened
AH-02 grading | a listed tool always needs a person
AH-03 grading | the default list holds file, message, call and shell tools
AH-04 notices | a request goes to every channel, with its delivery recorded
AH-05 grading | a policy that approves after a time is refused
AH-06 grading | a policy that approves during deployments is refused
AH-07 approvals | a denied call is cancelled with the reason and changes nothing
AH-08 approvals | length and age of the queue are watched
AH-09 grading | a policy that asks for approval of reads is refused
AH-10 audit | request, decision, channel and execution are recorded
AH-11 grading | a decision is per call and looks at the arguments
AH-12 grading | an instruction in a prompt is no control
AH-13 approvals | approving one call never covers the next
AH-14 approvals | a held step waits safely overnight
AH-15 approvals | without authorisation nothing can change
AH-16 grading | analysing is free; changing needs sign-off
AH-17 audit | every decision can be exported
AH-18 grading | the gate cannot be switched off by what it gates
AH-19 notices | a notice fits a phone
HG-01 grading | each step resolves to one of four levels of autonomy
HG-02 grading | suggest-only cannot be executed at all
HG-03 grading | high-risk kinds are held as such
HG-04 grading | confidence below 0.70 holds a change; exactly 0.70 does not
HG-05 grading | an effect on an outside system is held as such
HG-06 grading | without a reason a step proceeds by itself
HG-07 grading | all reasons are recorded
HG-08 grading | crossing a boundary is held whatever the confidence
HG-09 grading | a first time is held as novel
HG-10 grading | a schema change inside a deploy is found and held
HG-11 approvals | a request carries action, reason, context and an end
HG-12 approvals | an expiry escalates or aborts and never approves
HG-13 approvals | similar requests form a batch
HG-14 approvals | a card cites the policy and the alternatives
HG-15 steps | a pause keeps the whole state
HG-16 learning | rates of approval are reported per class
HG-17 learning | nearly always approved is called too conservative
HG-18 approvals | a junior is refused on a senior's item
HG-19 approvals | bulk approval is possible
HG-20 grading | the reference levels of autonomy hold
HG-21 grading | known remediations may run in an incident, new ones need approval
HG-22 grading | thresholds change only within a declared, time-boxed policy
HG-23 grading | other signs of uncertainty hold a change
HG-24 approvals | waiting requests sit in one queue
AS-01 cluster | an unmodified agent works through the proxy
AS-02 cluster | every call is intercepted in line
AS-03 cluster | a held call is kept and the agent told
AS-04 cluster | approved calls are sent, denied ones never
AS-05 approvals | a reviewer sees method, payload, policy and destination
AS-06 grading | what cannot be undone, reaches far, moves money, talks to outsiders or changes access is held
AS-07 grading | reads, scoped writes and safe restarts pass at once
AS-08 approvals | the right owner is asked
AS-09 audit | every decision is logged
AS-10 learning | the share of held calls is reported
AS-11 grading | a valid credential does not spare an action its judgement
AS-12 cluster | an agent's own rights are small and short-lived
AS-13 grading | adoption goes in stages
AS-14 approvals | a review is complete on a phone
AS-15 cluster | the same mechanism covers Kubernetes writes
AS-16 approvals | time to view and to decide is measured
LR-01 grading | a step is graded from three axes, and shows why
LR-02 grading | the reference grades of build, staging, production, migration and infrastructure hold
LR-03 steps | an agent corrects its own failing test
LR-04 grading | a production deploy needs canary and automatic rollback
LR-05 grading | a tripped breaker rolls back without a person
LR-06 releases | the kill switch ends in a known-good state
LR-07 releases | the first step exposes a small share
LR-08 grading | a migration leaves the automatic path
LR-09 audit | every deploy can be reconstructed
LR-10 learning | whether canaries caught what they should is reported
LR-11 grading | an approval as the only guard of a fast step is refused
LR-12 grading | a big-bang plan is graded G3
LR-13 grading | production without an automatic abort does not start
LR-14 grading | what must be in place is listed, and holds the step when missing
LR-15 grading | an invisible effect demands guards instead of review
LR-16 grading | network, access and scaling are at least G2
LR-17 grading | a trivial step leaves a log line alone
LR-18 grading | a way back must have been exercised
LR-19 grading | attention goes to the plan of a G3
LR-20 releases | the automatic stop acts within seconds
LR-21 grading | a rollback is faster than the next step
LR-22 grading | the guard follows from grade and controllability
LRP-01 grading | missing evidence rounds up
LRP-02 grading | the real way back counts, not the claimed one
LRP-03 grading | uncertainty, novelty, the trifecta and many small steps escalate
LRP-04 approvals | a human gate needs authority, awareness, ability and a name
LRP-05 approvals | a review shows consequences first
LRP-06 approvals | prompts per person are capped
LRP-07 learning | whether interventions help is measured
LRP-08 approvals | an approval is bound, signed and used once
LRP-09 grading | caps on rows, percent and objects
LRP-10 approvals | delegation is explicit and recorded
LRP-11 grading | SQL is graded by shape, count and evidence
LRP-12 steps | every request is authorised again
"""
ROWS: tuple[Row, ...] = tuple(
    Row(left.split()[0], words.strip(), left.split()[1])
    for left, words in (line.split("|") for line in _TEXT.strip().splitlines())
)
