"""Turns a function into a command: the flags that every command has, and the way errors become words and exit codes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import typer

from api.cli.connection import Flags
from api.cli.exits import EPILOG, Exit, exit_of
from api.cli.hints import hint_of
from api.cli.options import AS_JSON, CA_FILE, IDEMPOTENCY_KEY, REQUEST_TIMEOUT, TOKEN_FILE, URL
from api.cli.output import Output
from api.cli.session import Parts, Session, Usage
from api.cli.shapes import Misread
from api.client import Misconfigured, Problem, Unreachable

Body = Callable[..., Exit | None]

BEFORE = "interlock.before"
"""Where the context keeps the flags that were given before the command."""

COMMON: dict[str, tuple[Any, Any]] = {
    "as_json": (AS_JSON, False),
    "url": (URL, None),
    "token_file": (TOKEN_FILE, None),
    "ca_file": (CA_FILE, None),
    "request_timeout": (REQUEST_TIMEOUT, None),
}


def command(group: typer.Typer, name: str, panel: str | None = None, keyed: bool = False) -> Callable[[Body], Body]:
    """Register a function of a Session and its own flags as the command ``name`` of ``group``.

    A ``keyed`` command changes something, and the controller does it once per Idempotency-Key.
    """
    common = COMMON | ({"idempotency_key": (IDEMPOTENCY_KEY, None)} if keyed else {})

    def register(body: Body) -> Body:
        own = [
            parameter.replace(annotation=hint)
            for parameter, hint in zip(*_parameters(body), strict=True)
            if parameter.name != "session"
        ]
        shared = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for key, (annotation, default) in common.items()
        ]
        context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]

        def run(ctx: typer.Context, **values: Any) -> None:
            before = ctx.meta.get(BEFORE, {})
            given = {key: values.pop(key) for key in common}
            shared_values = {key: before.get(key) if value is None else value for key, value in given.items()}
            parts = ctx.obj if isinstance(ctx.obj, Parts) else Parts()
            raise typer.Exit(int(carry_out(body, parts, shared_values, values)))

        parameters = [context, *own, *shared]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        group.command(name, help=reflowed(body.__doc__ or ""), rich_help_panel=panel, epilog=EPILOG)(run)
        return body

    return register


def reflowed(text: str) -> str:
    """Every paragraph as one line, so that it fills the terminal it is shown in."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n"))


def _parameters(body: Body) -> tuple[list[inspect.Parameter], list[Any]]:
    hints = get_type_hints(body, include_extras=True)
    parameters = list(inspect.signature(body).parameters.values())
    return parameters, [hints[parameter.name] for parameter in parameters]


def carry_out(body: Body, parts: Parts, shared: dict[str, Any], values: dict[str, Any]) -> Exit:
    """Run ``body`` and turn how it ended into an exit code, with the reason on stderr and, as JSON, on stdout."""
    flags = Flags(shared["url"], shared["token_file"], shared["ca_file"], shared["request_timeout"])
    session = Session(parts, flags, shared["as_json"], shared.get("idempotency_key"))
    try:
        return body(session, **values) or Exit.DONE
    except (Usage, Misconfigured) as error:
        return _failed(session.out, Exit.USAGE, "usage", str(error))
    except Misread as error:
        text = f"the controller's answer is not understood: {error}. Use the interlock of the controller's version"
        return _failed(session.out, Exit.FAILED, "misread", text)
    except Unreachable as error:
        return _failed(
            session.out, Exit.UNREACHABLE, "unreachable", _unreachable(error, session, "idempotency_key" in shared)
        )
    except Problem as problem:
        return _refused(session, problem)
    except KeyboardInterrupt:
        session.out.note("stopped by Ctrl-C")
        return Exit.INTERRUPTED
    finally:
        session.close()


def _unreachable(error: Unreachable, session: Session, keyed: bool) -> str:
    if error.may_be_done and not keyed:
        return f"{error.text}. It is not known whether it was done: send it again, a stop may be sent twice"
    if error.may_be_done:
        return (
            f"{error.text}. It is not known whether it was done: look with `interlock status`, or run the same "
            f"command again with --idempotency-key {session.idempotency_key}, which cannot do it twice"
        )
    return f"{error.text}. Check that the controller runs and that --url is right"


def _refused(session: Session, problem: Problem) -> Exit:
    code = exit_of(problem)
    has_token = bool(session.endpoint and session.endpoint.token)
    text = problem.detail or problem.title or f"the controller answered with status {problem.status}"
    hint = hint_of(problem, has_token)
    for mistake in problem.errors:
        text += f"\n  {mistake.field}: {mistake.text}"
    _failed(session.out, code, problem.code, text, problem)
    if hint:
        session.out.note(hint)
    return code


def _failed(out: Output, code: Exit, name: str, text: str, problem: Problem | None = None) -> Exit:
    first, *rest = text.split("\n")
    out.error(first)
    for line in rest:
        out.note(f"- {line.strip()}", "")
    if out.as_json:
        error: dict[str, Any] = {"code": name, "text": text, "exit_code": int(code)}
        if problem is not None:
            mistakes = [{"field": e.field, "text": e.text} for e in problem.errors]
            error |= {"status": problem.status, "facts": problem.facts, "errors": mistakes}
        out.event({"error": error})
    return code
