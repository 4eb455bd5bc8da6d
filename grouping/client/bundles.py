"""Bundles of a job of a service: made there, waited for, and downloaded."""

from __future__ import annotations

import math
import time
from pathlib import Path

from grouping.artefacts.finishing import FinishState
from grouping.artefacts.kept import LearnedRows
from grouping.client.connection import POLL_S, Connection
from grouping.errors import BundleError
from grouping.wire.artefacts import ArtefactList, NetworkArtefactsOut
from grouping.wire.finishes import FinishList, FinishOut


class Bundles:
    """Methods of a job of a service by which its recommended networks are taken home."""

    def _service(self) -> Connection:
        """Return the service."""
        raise NotImplementedError

    @property
    def id(self) -> str:
        """Identifier of the job."""
        raise NotImplementedError

    def finish(
        self,
        *,
        budget_snt: float | None = None,
        rows: LearnedRows = LearnedRows.TRAIN,
        seeds: int | None = None,
        again: bool = False,
        licence: str = "",
    ) -> FinishOut:
        """Ask the service to train the recommended networks once more, and to keep them as a bundle.

        The same again while it is under way changes nothing. `wait_for_bundle` waits for its end.

        Args:
            budget_snt: inference budget; may be left out where the job has one only.
            rows: rows to train on: those of the search, or also the validation rows.
            seeds: trainings of each network; as many as confirmed it unless given.
            again: whether to train them also where they are kept.
            licence: what is known of the licence of the data; a note in the bundle.

        Raises:
            ServiceError: if the job has not ended, or can have no bundle.
        """
        asked = {"budget_snt": budget_snt, "rows": rows, "seeds": seeds, "again": again, "licence": licence}
        given = {name: value for name, value in asked.items() if value not in (None, "")}
        return self._service().read(FinishOut, "POST", f"/v1/jobs/{self.id}/finishes", params=given)

    def finishes(self) -> list[FinishOut]:
        """Return the bundles that were asked for, the newest first, and how far they are."""
        return self._service().read(FinishList, "GET", f"/v1/jobs/{self.id}/finishes").items

    def cancel_finish(self, finish: FinishOut) -> FinishOut:
        """Cancel the making of a bundle.

        Raises:
            ServiceError: if it has succeeded or failed.
        """
        return self._service().read(FinishOut, "POST", f"/v1/jobs/{self.id}/finishes/{finish.id}/cancel")

    def wait_for_bundle(self, finish: FinishOut, *, timeout_s: float | None = None) -> FinishOut:
        """Wait until a bundle that was asked for is kept.

        Args:
            finish: what `finish` returned.
            timeout_s: how long to wait; without end if left out.

        Raises:
            BundleError: if it could not be made, or was cancelled; the text says why.
            TimeoutError: if it takes longer.
        """
        until = math.inf if timeout_s is None else time.monotonic() + timeout_s
        path = f"/v1/jobs/{self.id}/finishes/{finish.id}"
        while not (found := self._service().read(FinishOut, "GET", path)).state.is_final:
            if time.monotonic() > until:
                raise TimeoutError(f"The bundle of job {self.id} is {found.state} after {timeout_s:g} s.")
            time.sleep(POLL_S)
        if found.state is not FinishState.SUCCEEDED:
            raise BundleError(found.error or "The making of the bundle was cancelled.")
        return found

    def download_bundle(
        self, out: Path | str, *, budget_snt: float | None = None, rows: LearnedRows | None = None
    ) -> Path:
        """Write the recommended networks as a ZIP archive with the folder ``bundle``, which predicts.

        Args:
            out: file to write.
            budget_snt: inference budget; may be left out where the job has one only.
            rows: rows that they were trained on; any unless given.

        Returns:
            The file.

        Raises:
            ServiceError: if there is no bundle yet; says how to make it.
        """
        asked = {"budget_snt": budget_snt, "rows": rows}
        given = {name: value for name, value in asked.items() if value is not None}
        self._service().save(f"/v1/jobs/{self.id}/bundle", Path(out), **given)
        return Path(out)

    def artefacts(self, *, budget_snt: float | None = None) -> list[NetworkArtefactsOut]:
        """Return what the trainer of the job has kept of the recommended networks, as it told, by network.

        Args:
            budget_snt: inference budget; may be left out where the job has one only.
        """
        given = {} if budget_snt is None else {"budget_snt": budget_snt}
        path = f"/v1/jobs/{self.id}/artefacts"
        return self._service().read(ArtefactList, "GET", path, params=given).items
