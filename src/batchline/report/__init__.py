"""Say results to people as text and to programs as JSON; the only place that rounds."""

from batchline.report.audit import audit_json, render_audit
from batchline.report.catalog import (
    list_json,
    problems_json,
    record_json,
    render_list,
    render_problems,
    render_record,
)

__all__ = [
    "audit_json",
    "list_json",
    "problems_json",
    "record_json",
    "render_audit",
    "render_list",
    "render_problems",
    "render_record",
]
