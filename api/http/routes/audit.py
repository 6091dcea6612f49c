"""The record: list it, and verify its chain. Reading only."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api.http.context import PROBLEMS, ContextOf, Lister, PageQuery, Reader, shown
from api.http.errors import ProblemError
from api.http.schemas import AuditCheckView, PageView, RecordView
from api.http.views import check_view, record_view
from controller.ports import AuditFilter
from gates.audit import RecordType

router = APIRouter(prefix="/v1/audit", tags=["audit"], responses=PROBLEMS)


class AuditQuery(PageQuery):
    """``after`` is a sequence number; with ``newest_first`` the page goes down from it."""

    after: str = Field(default="", pattern=r"^[0-9]{0,18}$")
    release: str | None = None
    application: str | None = None
    type: RecordType | None = None
    newest_first: bool = False


@router.get("", response_model=PageView[RecordView])
def list_records(context: ContextOf, caller: Lister, query: Annotated[AuditQuery, Query()]) -> object:
    """Oldest first, unless asked otherwise."""
    wanted = AuditFilter(query.release, query.application, query.type)
    rows = list(context.doors.store.audit(query.one_more(), wanted, query.newest_first))
    page, following = shown(rows, query.limit, lambda record: str(record.seq))
    return PageView[RecordView](items=[record_view(record) for record in page], next=following)


@router.get("/verify", response_model=AuditCheckView)
def verify(context: ContextOf, caller: Reader) -> object:
    """Walk the whole chain. One walk at a time."""
    if not context.verifying.acquire(blocking=False):
        detail = "The chain is being verified for someone else: try again in some seconds."
        raise ProblemError(429, "verifying", "Already verifying", detail).with_headers(Retry_After="2")
    try:
        return check_view(context.doors.store.verify_audit())
    finally:
        context.verifying.release()
