"""The way into the small API server without a connection, for who only helps a test: as its door answers, by a call.
Watches, faults and the journal are not here."""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass
from typing import Any

from tests.kube.cluster.small.failures import ApiError
from tests.kube.cluster.small.handling import Handling, asked_for


@dataclass(frozen=True, slots=True)
class Inside:
    handling: Handling

    def ask(self, token: str, method: str, path: str, body: Any, content_type: str) -> tuple[int, Any]:
        """The code and a copy of the answer."""
        who = self.handling.access.who(f"Bearer {token}")
        place, _, query = path.partition("?")
        sent = b"" if body is None else json.dumps(body).encode()
        try:
            request = asked_for(self.handling, method, place, query, content_type, sent)
            code, answer = self.handling.carry_out(who, request)
        except ApiError as refused:
            return refused.code, refused.status()
        except Exception:  # noqa: BLE001  whatever it is, the test has to hear of it
            self.handling.bugs.append(traceback.format_exc())
            return 500, {"reason": "InternalError", "message": "a bug of the small API server"}
        return code, json.loads(json.dumps(answer))
