"""What a webhook is sent."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from grouping.domain.jobs.job import JobState, StopReason
from grouping.wire.base_types import Output


class EndedJobOut(Output):
    """A job at its end."""

    id: str = Field(validation_alias="job_id")
    name: str = Field(validation_alias="job_name")
    state: JobState = Field(description="`succeeded`, `failed` or `cancelled`.")
    stop_reason: StopReason | None = Field(description="Reason why it ended, if it succeeded.")
    error: str | None = Field(description="What went wrong, if it failed.")
    is_degraded: bool = Field(description="Whether it succeeded without some of its trainings.")


class JobEndedOut(Output):
    """Body of the request that tells an address of the end of a job.

    The headers `webhook-id`, `webhook-timestamp` and `webhook-signature` are those of Standard Webhooks.
    """

    type: Literal["job.ended"] = "job.ended"
    timestamp: datetime = Field(validation_alias="ended_s", description="When the job ended.")
    data: EndedJobOut
