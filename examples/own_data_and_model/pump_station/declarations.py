"""The encoder as the service lists and checks it; PyTorch is not imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from grouping.parameters import Field


@dataclass(frozen=True, slots=True)
class Residual:
    """Layers with a shortcut; its fields are the parameters that a recipe may set."""

    name: ClassVar[str] = "residual"
    title: ClassVar[str] = "Layers with shortcuts"
    description: ClassVar[str] = "Each stage is a linear map plus a GELU layer beside it."
    source: ClassVar[str] = "He et al., CVPR 2016"
    implementation: ClassVar[str] = "pump_station.encoder:ResidualEncoder"

    strength: Annotated[float, Field(ge=0, le=1, description="Factor of the GELU layer; 0 is linear.")] = 1.0
