"""The sampler that learns from the scores: Optuna's tree-structured Parzen estimator, in the ranges of ``SEARCH``.

References:
    Bergstra, Bardenet, Bengio & Kegl (2011), Algorithms for Hyper-Parameter Optimization, NeurIPS.
    Akiba, Sano, Yanase, Ohta & Koyama (2019), Optuna: A Next-generation Hyperparameter Optimization Framework, KDD.
"""

import math
from typing import Any

import numpy as np
from pydantic import ValidationError

from pipeline.errors import ParamsError
from pipeline.model_parts.search_space import Choice, SearchSpace
from pipeline.tune.draws import distributions
from pipeline.tune.samplers import Space

N_RANDOM = 5  # trials with a score before the estimator begins; up to then it draws at random
N_REFUSED = 100  # draws that a model may refuse, for one trial
NUMBER = "trial"  # under which Optuna's trial keeps the number of ours
REFUSED = "refused"  # likewise where the model refused the draw
WORST = 0.0  # the score of a trial that diverged or was refused: worse than any MAP


def optuna_distributions(search: SearchSpace) -> dict[str, Any]:
    """Return the space as Optuna has it, by parameter: the ranges are those of the random draws.

    Raises:
        ParamsError: a range is none, as for the random draws.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for name, checked in distributions(search).items():
        declared = search[name]
        if isinstance(declared, list):
            found[name] = CategoricalDistribution(declared)
            continue
        low, high = (end.item() if isinstance(end, np.generic) else end for end in checked.support())
        if declared[0] == "randint":
            found[name] = IntDistribution(int(low), int(high))
        else:
            found[name] = FloatDistribution(low, high, log=declared[0] == "loguniform")
    return found


class TpeSampler:
    """Draws a trial where earlier ones were good; ``MODEL.tpe.journal`` is Optuna's storage of all of them.

    Trial 0 counts with the values that lie in the ranges.
    """

    name = "tpe"
    is_guided = True

    def __init__(self, space: Space) -> None:
        """Open the storage, and go on with what it holds.

        Raises:
            ParamsError: Optuna is not installed, or ``SEARCH`` has a range that is no range.
        """
        try:
            import optuna
            from optuna.storages import JournalStorage
            from optuna.storages.journal import JournalFileBackend
        except ModuleNotFoundError as error:
            raise ParamsError(f"sampler tpe: {error}; expected the extra `tune`: pip install -e '.[tune]'") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._distributions = optuna_distributions(getattr(space.module, "SEARCH", {}))
        space.storage.parent.mkdir(parents=True, exist_ok=True)
        storage = JournalStorage(JournalFileBackend(f"{space.storage}.tpe.journal"))
        self._study = optuna.create_study(
            storage=storage, study_name=space.study, direction="maximize", load_if_exists=True
        )

    def draw(self, number: int) -> dict[str, Choice]:
        """Return the searched parameters of a trial: those in the storage, or new ones, which depend on the scores.

        Raises:
            ParamsError: the model refuses every draw.
        """
        known = self._find(number)
        if number == 0:
            values = {key: getattr(self._space.base, key) for key in self._distributions}
            if known is None:
                self._add(values)
            return values
        return known.params if known is not None else self._ask(number)

    def tell(self, number: int, score: float) -> None:
        """Keep the score of a trial, once."""
        trial = self._find(number)
        if trial is not None and not trial.state.is_finished():
            self._study.tell(trial.number, WORST if math.isnan(score) else score)

    def _find(self, number: int) -> Any:  # noqa: ANN401 - Optuna is loaded by this sampler alone
        """Optuna's record of a trial, or None."""
        return next((trial for trial in self._study.trials if trial.user_attrs.get(NUMBER) == number), None)

    def _add(self, values: dict[str, Choice]) -> None:
        """Trial 0, as one that runs; a value out of its range is left out, for the estimator has no place for it."""
        import optuna

        known = {key: value for key, value in values.items() if _is_within(self._distributions[key], value)}
        self._study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.RUNNING,
                params=known,
                distributions={key: self._distributions[key] for key in known},
                user_attrs={NUMBER: 0},
            )
        )

    def _ask(self, number: int) -> dict[str, Choice]:
        """A draw that the model takes; seeded by the number of the trial, so that it does not matter who was killed."""
        from optuna.samplers import TPESampler

        n_refused = sum(
            trial.user_attrs.get(REFUSED) == number and trial.state.is_finished() for trial in self._study.trials
        )
        for attempt in range(n_refused, N_REFUSED):
            seed = int(np.random.SeedSequence([self._space.seed, number, attempt]).generate_state(1)[0])
            self._study.sampler = TPESampler(n_startup_trials=N_RANDOM, seed=seed)
            trial = self._study.ask(self._distributions)
            try:
                self._space.module.Params.model_validate(self._space.base.model_dump() | trial.params)
            except ValidationError:
                trial.set_user_attr(REFUSED, number)
                self._study.tell(trial, WORST)  # or the estimator would propose the same values for ever
                continue
            trial.set_user_attr(NUMBER, number)
            return dict(trial.params)
        name = self._space.module.__name__
        raise ParamsError(f"{name}: {N_REFUSED} draws of SEARCH are refused; expected ranges that Params takes")


def _is_within(distribution: Any, value: Choice) -> bool:  # noqa: ANN401 - one of Optuna's
    """Whether a value is one that the distribution can draw."""
    if hasattr(distribution, "choices"):
        return value in distribution.choices
    return isinstance(value, int | float) and bool(distribution.low <= value <= distribution.high)
