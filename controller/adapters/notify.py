"""Delivers one message as an HTTP POST with an idempotency key. It keeps no queue; the outbox does."""

from __future__ import annotations

import httpx

from controller.ports import Message, Refused, Unavailable, Unknown

TIMEOUT = httpx.Timeout(5.0, connect=2.0)
"""A receiver that needs longer gets the message again later."""


class WebhookNotifier:
    """POST as JSON. A 2xx is a delivery; anything else is tried again by the outbox."""

    def __init__(self, client: httpx.Client | None = None) -> None:
        self._client = client or httpx.Client(timeout=TIMEOUT, follow_redirects=False)

    def deliver(self, message: Message) -> None:
        headers = {"Idempotency-Key": message.key, "User-Agent": "interlock"}
        try:
            response = self._client.post(message.url, json=dict(message.body), headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unavailable(f"the receiver of {message.kind} cannot be reached ({type(error).__name__})") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unknown(f"no clear answer from the receiver of {message.kind} ({type(error).__name__})") from error
        if not response.is_success:
            raise Refused(f"the receiver of {message.kind} answered {response.status_code}")

    def close(self) -> None:
        self._client.close()
