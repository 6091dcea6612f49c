"""Cloud, names, flags, caches, messages, calls and files."""

from __future__ import annotations

from tests.unit.grading.cases.build import EXERCISED, KEPT, STAGING, case

INSIDE = "https://api.internal.example/v1/orders"
CASES = (
    case("a right granted in the cloud", "G3", "iam.change", STAGING, sandboxed=True, reversibility=KEPT),
    case("a key to be deleted", "G3", "kms.key_change", op="schedule_deletion"),
    case("a firewall for one office", "G2", "cloud.security_group", diff="allow 10.1.0.0/16:443"),
    case("a firewall for the world", "G3", "cloud.security_group", STAGING, diff="allow 0.0.0.0/0:5432"),
    case("a plan that adds", "G2", "terraform.apply", creates=2, updates=1, destroys=0),
    case("a plan that destroys", "G3", "terraform.apply", STAGING, creates=0, updates=1, destroys=1),
    case("a plan that does not say", "G3", "terraform.apply", STAGING),
    case("a plan with a role in it", "G3", "terraform.apply", destroys=0, resource_types=["aws_iam_role"]),
    case("a plan", "G0", "terraform.plan"),
    case("an address with a short life", "G2", "dns.change", record="A", ttl=60),
    case("an address with a long life", "G3", "dns.change", record="A", ttl=301),
    case("a delegation", "G3", "dns.change", STAGING, record="NS", ttl=60),
    case("a flag for one percent", "G1", "flag.set", from_percent=0, to_percent=1, reversibility=EXERCISED),
    case("a flag for all", "G2", "flag.set", from_percent=1, to_percent=100, reversibility=EXERCISED),
    case("a flag nobody ever turned back", "G2", "flag.set", STAGING, to_percent=1),
    case("a drilled kill flag", "G1", "flag.set", kill_flag=True, to_percent=100, drilled=True),
    case("an undrilled kill flag", "G2", "flag.set", kill_flag=True, to_percent=100, drilled=False),
    case("one address purged", "G1", "cdn.purge", scope="single_url"),
    case("everything purged", "G2", "cdn.purge", scope="all"),
    case("a message to the team", "G2", "message.send", audience="internal"),
    case("a message to customers", "G3", "message.send", audience="customers"),
    case("a question to a service", "G0", "http.call", method="GET", destination=INSIDE),
    case("a call inside", "G2", "http.call", method="POST", destination=INSIDE),
    case("a call that deletes inside", "G3", "http.call", method="DELETE", destination=INSIDE),
    case("a call outside", "G3", "http.call", method="POST", destination="https://pay.example.com/charge"),
    case(
        "an outside host with an inside name before it",
        "G3",
        "http.call",
        method="POST",
        destination="https://internal@evil.example.com/",
    ),
    case("a scratch file", "G0", "file.delete", {"tier": "dev"}, path="build/tmp.log", sandboxed=True),
    case("a file of production", "G3", "file.delete", path="/etc/production/config.yml"),
    case(
        "a file of the pipeline",
        "G3",
        "file.write",
        {"tier": "dev"},
        path=".github/workflows/ci.yml",
        reversibility=KEPT,
    ),
    case("a file nobody named", "G3", "file.write", STAGING, reversibility=KEPT),
    case("a firewall, and nobody says how", "G3", "cloud.firewall", STAGING),
    case("a shell", "G3", "shell.exec", command="make"),
    case("a tool nobody registered", "G3", "new.tool", {"tier": "dev"}, sandboxed=True, args={"x": 1}),
    case("a database that switches over as exercised", "G2", "db.failover", reversibility=EXERCISED),
    case("a database that never switched over", "G3", "db.failover"),
    case("a key paid for", "G3", "payment.send", STAGING),
)
