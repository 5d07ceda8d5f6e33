"""The encoder of one modality with two branches, an explicit and an implicit one."""

from typing import Literal

from pydantic import PositiveInt
from torch import Tensor

from pipeline.model_parts.layers import Branch, BranchParams, FeatureEncoder, InputParams, branch_of_heads


class DualEncoderParams(InputParams, BranchParams):
    """How features come to an encoder, and what its branches are.

    Attributes:
        n_subspaces: 2, or 1 as a control: one branch a modality, the explicit one, that both losses train. There is
            nothing for the constraint to keep apart then, and for a CCA nothing to fuse.
        explicit_branch: what an explicit branch is.
        implicit_branch: likewise of an implicit branch; branches of different kind err differently.
        explicit_width: outputs of an explicit branch; for ``agreement``, its latent states.
        implicit_width: outputs of an implicit branch.
    """

    n_subspaces: Literal[1, 2]
    explicit_branch: Branch
    implicit_branch: Branch
    explicit_width: PositiveInt
    implicit_width: PositiveInt

    @property
    def joint_width(self) -> int:
        """Width of the concatenation that a CCA fuses."""
        return self.n_heads * (self.explicit_width + self.implicit_width)

    @property
    def classified_width(self) -> int:
        """Outputs of the branch that is classified."""
        return self.implicit_width if self.n_subspaces == 2 else self.explicit_width


class DualEncoder(FeatureEncoder):
    """The explicit and the implicit branch of one modality, over one set of features."""

    def __init__(self, width: int, params: DualEncoderParams) -> None:
        """Lay out the branches for features of ``width``."""
        super().__init__(width, params)
        self.explicit = branch_of_heads(width, params.explicit_width, params.explicit_branch, params)
        if params.n_subspaces == 2:
            self.implicit = branch_of_heads(width, params.implicit_width, params.implicit_branch, params)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return explicit and implicit embeddings of (n, width) features, those of all heads side by side.

        The one subspace of a control is both of them.
        """
        inputs = self.inputs(features)  # (n, width)
        explicit: Tensor = self.explicit(inputs)  # (n, n_heads * explicit_width)
        return explicit, self.implicit(inputs) if hasattr(self, "implicit") else explicit

    def branches(self, features: Tensor) -> dict[str, Tensor]:
        """Return the embeddings of (n, width) features, by the name of the branch."""
        return dict(zip(("explicit", "implicit"), self(features), strict=True))
