"""Rows of the database; they never leave this package (`grouping.store.codec` converts them).

Times are seconds since 1970 by the clock of the database. Numbers that take part in results are double
precision on both databases, so that they come back to the last digit.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ID_LENGTH = 32
KEY_LENGTH = 255

_JSON = JSON(none_as_null=True)
BINARY_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that both databases sort alike, by code point."""


class StoredRow(DeclarativeBase):
    """Base class of all rows; constraints have predictable names, which later migrations rely on."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class ScoreTableRow(StoredRow):
    """A score table; trained by a job or imported.

    `imported` is null for a job's table; else its seeds, the names of its further costs and the report.
    """

    __tablename__ = "score_tables"
    __table_args__ = (Index(None, "created_s", "id"), Index(None, "idempotency_key", unique=True))

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    tasks: Mapped[list[dict[str, Any]]] = mapped_column(_JSON)
    revision: Mapped[int] = mapped_column(Integer)
    created_s: Mapped[float] = mapped_column(Double)
    imported: Mapped[dict[str, Any] | None] = mapped_column(_JSON)
    idempotency_key: Mapped[str | None] = mapped_column(String(KEY_LENGTH))
    request_digest: Mapped[str | None] = mapped_column(Text)


class JobRow(StoredRow):
    """A job, its lease, and what it has been charged for.

    `name_key` is its name without case, by which jobs are sorted; `search_text` is all of it that is
    searched, likewise (`grouping.store.job_search`). `lost_claims` counts the dispatchers that were
    lost in a row while they worked on it, since any of its trainings ended.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index(None, "created_s", "id"),
        Index(None, "state", "created_s"),
        Index(None, "name_key", "id"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    spec: Mapped[dict[str, Any]] = mapped_column(_JSON)
    state: Mapped[str] = mapped_column(String(20))
    stop_reason: Mapped[str | None] = mapped_column(String(40))
    error: Mapped[str | None] = mapped_column(Text)
    created_s: Mapped[float] = mapped_column(Double)
    started_s: Mapped[float | None] = mapped_column(Double)
    finished_s: Mapped[float | None] = mapped_column(Double)
    data_digest: Mapped[str | None] = mapped_column(Text)
    versions: Mapped[dict[str, str]] = mapped_column(_JSON)
    score_table_id: Mapped[str] = mapped_column(ForeignKey(ScoreTableRow.id), unique=True)
    cancel_requested: Mapped[bool]
    lease_owner: Mapped[str | None] = mapped_column(Text)
    lease_epoch: Mapped[int] = mapped_column(Integer)
    lease_expires_s: Mapped[float | None] = mapped_column(Double)
    event_count: Mapped[int] = mapped_column(Integer)
    idempotency_key: Mapped[str | None] = mapped_column(String(KEY_LENGTH), unique=True)
    request_digest: Mapped[str] = mapped_column(Text)
    charged_trainings: Mapped[int] = mapped_column(BigInteger)
    charged_epochs: Mapped[int] = mapped_column(BigInteger)
    charged_seconds: Mapped[float] = mapped_column(Double)
    settled: Mapped[dict[str, Any]] = mapped_column(_JSON)
    note: Mapped[str] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(_JSON)
    name_key: Mapped[str] = mapped_column(BINARY_TEXT)
    search_text: Mapped[str] = mapped_column(Text)
    stop: Mapped[str | None] = mapped_column(String(10))
    missing: Mapped[dict[str, Any] | None] = mapped_column(_JSON)
    claimed_s: Mapped[float | None] = mapped_column(Double)
    lost_claims: Mapped[int] = mapped_column(Integer, default=0, server_default="0")


class DispatcherRow(StoredRow):
    """A dispatcher that registered, and when it was last heard from."""

    __tablename__ = "dispatchers"

    owner: Mapped[str] = mapped_column(String(255), primary_key=True)
    n_jobs: Mapped[int] = mapped_column(Integer)
    started_s: Mapped[float] = mapped_column(Double)
    seen_s: Mapped[float] = mapped_column(Double)


class NetworkRow(StoredRow):
    """A candidate of a score table; `group_key` is the set of its tasks, for the unique constraint.

    `imported` is null in a job's table, whose losses are those of trials; else the losses by task and seed,
    and the further costs. `costs` are further costs by name that trials reported; null for none. A network of
    which results were told before its cost was measured stands at its nominal cost.
    """

    __tablename__ = "networks"
    __table_args__ = (
        UniqueConstraint("score_table_id", "position"),
        UniqueConstraint("score_table_id", "group_key", "size"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    score_table_id: Mapped[str] = mapped_column(ForeignKey(ScoreTableRow.id, ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)
    tasks: Mapped[list[str]] = mapped_column(_JSON)
    group_key: Mapped[str] = mapped_column(String(64))
    group_size: Mapped[int] = mapped_column(Integer)
    size: Mapped[float] = mapped_column(Double)
    cost_snt: Mapped[float] = mapped_column(Double)
    multiply_adds: Mapped[int] = mapped_column(BigInteger)
    widths: Mapped[list[int]] = mapped_column(_JSON)
    imported: Mapped[dict[str, Any] | None] = mapped_column(_JSON)
    latency_ms: Mapped[float | None] = mapped_column(Double)
    costs: Mapped[dict[str, float] | None] = mapped_column(_JSON)
    is_measured: Mapped[bool] = mapped_column(server_default=true())


class TrialRow(StoredRow):
    """One training of one network.

    `reused_from_job` and `reused_from_trial` name the training whose outcome was copied; they are no foreign
    keys, since that job may be deleted. The lease is the last one, and holds only while the trial is running.
    `told` is null unless the result was told from outside: source, teller and time (`ToldFrom`). `recipe` and
    `members` are its `Variant`; `failures`, `losses` and `shortages` its `Standing`; `reached` is the last
    step that it told of in any attempt that was lost.
    """

    __tablename__ = "trials"
    __table_args__ = (
        UniqueConstraint("network_id", "purpose", "seed", "fidelity", "recipe", "members"),
        UniqueConstraint("job_id", "position"),
        Index(None, "job_id", "state"),
        Index(None, "lease_token", unique=True),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey(JobRow.id, ondelete="CASCADE"))
    network_id: Mapped[str] = mapped_column(ForeignKey(NetworkRow.id, ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)
    purpose: Mapped[str] = mapped_column(String(20))
    seed: Mapped[int] = mapped_column(BigInteger)
    fidelity: Mapped[float] = mapped_column(Double)
    measures_affinity: Mapped[bool] = mapped_column(server_default=false())
    state: Mapped[str] = mapped_column(String(20))
    attempts: Mapped[int] = mapped_column(Integer)
    planned_epochs: Mapped[int] = mapped_column(Integer)
    epochs: Mapped[int] = mapped_column(Integer)
    seconds: Mapped[float] = mapped_column(Double)
    error: Mapped[str | None] = mapped_column(Text)
    started_s: Mapped[float | None] = mapped_column(Double)
    finished_s: Mapped[float | None] = mapped_column(Double)
    reused_from_job: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    reused_from_trial: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    lease_owner: Mapped[str | None] = mapped_column(Text)
    lease_token: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    lease_s: Mapped[float | None] = mapped_column(Double)
    lease_expires_s: Mapped[float | None] = mapped_column(Double)
    artefact: Mapped[str | None] = mapped_column(Text)
    told: Mapped[dict[str, Any] | None] = mapped_column(_JSON)
    failures: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    losses: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    shortages: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    reached: Mapped[float | None] = mapped_column(Double)
    fault: Mapped[str | None] = mapped_column(String(20))
    recipe: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    members: Mapped[int] = mapped_column(Integer, default=1, server_default="1")

    @property
    def key(self) -> tuple[str, str, int, float, int, int]:
        """Identity among the trials of the job."""
        return (self.network_id, self.purpose, self.seed, self.fidelity, self.recipe, self.members)


class ScoreRow(StoredRow):
    """Losses and metrics of a succeeded trial on one task."""

    __tablename__ = "scores"

    trial_id: Mapped[str] = mapped_column(ForeignKey(TrialRow.id, ondelete="CASCADE"), primary_key=True)
    task: Mapped[str] = mapped_column(Text, primary_key=True)
    validation_loss: Mapped[float] = mapped_column(Double)
    test_loss: Mapped[float | None] = mapped_column(Double)
    validation_metric: Mapped[float | None] = mapped_column(Double)
    test_metric: Mapped[float | None] = mapped_column(Double)


class TrialReportRow(StoredRow):
    """Report of a trial while it ran: beginning and end of its log, and how many points came.

    `attempt` is that of the points; those of earlier attempts are removed.
    """

    __tablename__ = "trial_reports"

    trial_id: Mapped[str] = mapped_column(ForeignKey(TrialRow.id, ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer)
    n_points: Mapped[int] = mapped_column(Integer)
    log_head: Mapped[str] = mapped_column(Text)
    log_tail: Mapped[str] = mapped_column(Text)
    log_dropped: Mapped[int] = mapped_column(BigInteger)


class TrialProgressRow(StoredRow):
    """A kept point of the learning curves of a trial, by its number among all that came, from 0."""

    __tablename__ = "trial_progress"

    trial_id: Mapped[str] = mapped_column(ForeignKey(TrialRow.id, ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    step: Mapped[float] = mapped_column(Double)
    values: Mapped[dict[str, float]] = mapped_column(_JSON)


class JointAffinityRow(StoredRow):
    """Affinities that a succeeded trial measured; matrices by source, then target, null for absent.

    The tasks are in the order of the network's row. All methods are written and read together.
    """

    __tablename__ = "joint_affinities"

    trial_id: Mapped[str] = mapped_column(ForeignKey(TrialRow.id, ondelete="CASCADE"), primary_key=True)
    n_steps: Mapped[int] = mapped_column(Integer)
    affinities: Mapped[dict[str, list[list[float | None]]]] = mapped_column(_JSON)
    sample_overlap: Mapped[list[list[float]]] = mapped_column(_JSON)


class EventRow(StoredRow):
    """An event in the history of a job; numbers within a job start at 1 and have no gap."""

    __tablename__ = "events"

    job_id: Mapped[str] = mapped_column(ForeignKey(JobRow.id, ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at_s: Mapped[float] = mapped_column(Double)
    kind: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]] = mapped_column(_JSON)


class DeliveryRow(StoredRow):
    """An address that is to be told how a job ended, until it is told or given up.

    `due_s` is when the next attempt is due; during one, when that counts as lost.
    """

    __tablename__ = "deliveries"
    __table_args__ = (Index(None, "due_s"), Index(None, "job_id"))

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey(JobRow.id, ondelete="CASCADE"))
    address: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20))
    stop_reason: Mapped[str | None] = mapped_column(String(40))
    error: Mapped[str | None] = mapped_column(Text)
    is_degraded: Mapped[bool]
    ended_s: Mapped[float] = mapped_column(Double)
    attempts: Mapped[int] = mapped_column(Integer)
    due_s: Mapped[float] = mapped_column(Double)


class FinishRow(StoredRow):
    """A user's wish that the networks of a job are trained to be kept, its lease, and how it went.

    Of one job, budget and kind of rows there is one, the latest. `lease_epoch` counts the claims;
    `lost_claims` those that were lost.
    """

    __tablename__ = "finishes"
    __table_args__ = (UniqueConstraint("job_id", "budget_snt", "rows"), Index(None, "state"))

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey(JobRow.id, ondelete="CASCADE"))
    budget_snt: Mapped[float] = mapped_column(Double)
    rows: Mapped[str] = mapped_column(String(20))
    n_seeds: Mapped[int | None] = mapped_column(Integer)
    is_again: Mapped[bool]
    licence: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20))
    done: Mapped[int] = mapped_column(Integer)
    total: Mapped[int] = mapped_column(Integer)
    error: Mapped[str | None] = mapped_column(Text)
    created_s: Mapped[float] = mapped_column(Double)
    started_s: Mapped[float | None] = mapped_column(Double)
    finished_s: Mapped[float | None] = mapped_column(Double)
    lease_owner: Mapped[str | None] = mapped_column(Text)
    lease_epoch: Mapped[int] = mapped_column(Integer)
    lease_expires_s: Mapped[float | None] = mapped_column(Double)
    lost_claims: Mapped[int] = mapped_column(Integer)


class GroupingRow(StoredRow):
    """A stored solve of a score table: request, revision of the table and answer."""

    __tablename__ = "groupings"
    __table_args__ = (
        Index(None, "score_table_id", "created_s", "id"),
        Index(None, "idempotency_key", unique=True),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    score_table_id: Mapped[str] = mapped_column(ForeignKey(ScoreTableRow.id, ondelete="CASCADE"))
    revision: Mapped[int] = mapped_column(Integer)
    created_s: Mapped[float] = mapped_column(Double)
    request: Mapped[dict[str, Any]] = mapped_column(_JSON)
    answer: Mapped[dict[str, Any]] = mapped_column(_JSON)
    idempotency_key: Mapped[str | None] = mapped_column(String(KEY_LENGTH))
    request_digest: Mapped[str] = mapped_column(Text)


class TokenRow(StoredRow):
    """A token of the HTTP API, of which the digest is kept."""

    __tablename__ = "api_tokens"
    __table_args__ = (Index(None, "digest", unique=True),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(String(10))
    digest: Mapped[str] = mapped_column(String(64))
    hint: Mapped[str] = mapped_column(String(20))
    created_s: Mapped[float] = mapped_column(Double)
    expires_s: Mapped[float | None] = mapped_column(Double)
    revoked_s: Mapped[float | None] = mapped_column(Double)


class StudyRow(StoredRow):
    """A study that was carried out, with its whole report; it does not change."""

    __tablename__ = "studies"
    __table_args__ = (Index(None, "created_s", "id"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    problem: Mapped[str] = mapped_column(Text)
    tasks: Mapped[list[str]] = mapped_column(_JSON)
    n_seeds: Mapped[int] = mapped_column(Integer)
    created_s: Mapped[float] = mapped_column(Double)
    report: Mapped[dict[str, Any]] = mapped_column(_JSON)
