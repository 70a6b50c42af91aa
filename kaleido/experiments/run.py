"""Plans and runs the experiments of a preset."""

from dataclasses import dataclass
from pathlib import Path

from kaleido.cluster import connected
from kaleido.errors import UserError
from kaleido.experiments.config import ExperimentsConfig
from kaleido.experiments.estimate import estimate_table
from kaleido.experiments.experiment import chosen, read_experiments
from kaleido.experiments.ledger import FAILED_FILE, LOG_FILE, is_done, write_plan
from kaleido.experiments.original import plan_original
from kaleido.experiments.plan import Planner
from kaleido.experiments.preset import ORIGINAL, read_preset
from kaleido.experiments.report.cells import check_cells
from kaleido.experiments.runner import Runner, different_runs, stages_of
from kaleido.ready import find_folder
from kaleido.records.shard import Shard


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of running experiments.

    Attributes:
        text: Description of the planned runs or of their outcome, for display.
        failed: Whether a stage failed.
    """

    text: str
    failed: bool = False


def run_experiments(config: ExperimentsConfig) -> Outcome:
    """Runs the experiments of a preset; finished stages are not repeated, interrupted ones resume.

    Raises:
        UserError: if the preset or an experiment is wrong, or something that it needs is missing.
    """
    shard = Shard.parse(config.shard) if config.shard else Shard(1, 1)
    preset = read_preset(config.preset)
    if config.seeds is not None and config.seeds > len(preset.seeds):
        raise UserError(f"seeds must be 1 to {len(preset.seeds)}, the seeds of {preset.path}. Received: {config.seeds}")
    planner = Planner(preset, Path(config.out))
    if preset.kind == ORIGINAL:
        planned = wanted = plan_original(planner)
    else:
        folder = Path(config.experiments) if config.experiments else find_folder("experiments")
        experiments = read_experiments(folder)
        check_cells({experiment.name: experiment.cells for experiment in experiments})
        planned = planner.plan(experiments, preset.seeds[: config.seeds])
        names = {experiment.name for experiment in chosen(experiments, config.only)}
        wanted = [run for run in planned if run.experiment.name in names]
    mine = [run for number, run in enumerate(different_runs(wanted)) if shard.holds(number)]
    stages = stages_of(mine)
    done = {stage.key: is_done(stage) for stage in stages}
    missing = {stage.missing: stage for stage in stages if stage.missing and not done[stage.key]}
    if config.dry_run:
        lines = []
        for run in mine:
            left = [kind for kind, stage in run.stages.items() if not done[stage.key]]
            lines.append(f"{run.experiment.name}, seed {run.seed}: {', '.join(left) or 'done'}")
        lines.append(f"{len(wanted)} runs, {len(mine)} of them different and for this process")
        lines.append(estimate_table(preset, planner.runs, stages, done))
        return Outcome("\n".join([*lines, *(f"missing: {reason}" for reason in missing)]))
    if missing:
        raise UserError(f"{preset.path}: {next(iter(missing))}")
    write_plan(planner.runs, preset, planned)
    with connected(config.cluster, config.cluster_config) as cluster:
        failed = Runner(preset, planner.runs, cluster).run(stages)
    if failed:
        first = next((stage for stage in failed if (stage.folder / FAILED_FILE).is_file()), failed[0])
        log = first.folder / LOG_FILE
        text = f"{len(failed)} of {len(stages)} stages failed or lack an input; log of the first failure: {log}"
        return Outcome(text, failed=True)
    return Outcome(f"all {len(stages)} stages are done: {planner.runs}")
