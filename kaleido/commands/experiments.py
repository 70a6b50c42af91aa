"""`python -m kaleido experiments`: the paper's experiments, from data to figures."""

from pathlib import Path

from kaleido.commands.arguments import ArgumentParser
from kaleido.errors import UserError


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    parser = ArgumentParser(
        prog="python -m kaleido experiments",
        description="Runs the experiments of the paper's tables and figures at a scale. What is done is found and not "
        "repeated, what was interrupted goes on.",
    )
    parser.add_argument("scale", metavar="SCALE", help="a name in configs/scales, or a YAML file")
    parser.add_argument("--runs", required=True, type=Path, metavar="DIR", help="folder of the runs")
    parser.add_argument("--dry-run", action="store_true", help="list what would run and about how long, and do nothing")
    parser.add_argument("--shard", help="i/n: only every n-th run, beside other processes on the same folder")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these experiments")
    parser.add_argument("--seeds", type=int, metavar="N", help="how many of the scale's seeds; all if not given")
    parser.add_argument(
        "--experiments", type=Path, metavar="DIR", help="folder of the experiments; configs/experiments if not given"
    )
    args = parser.parse_args(argv)
    from kaleido.experiments.estimate import Estimate
    from kaleido.experiments.experiment import chosen, read_experiments
    from kaleido.experiments.ledger import FAILED_FILE, LOG_FILE, is_done, write_plan
    from kaleido.experiments.original import plan_original
    from kaleido.experiments.plan import Planner
    from kaleido.experiments.report.cells import check_cells
    from kaleido.experiments.runner import Runner, different_runs, stages_of
    from kaleido.experiments.scale import ORIGINAL, find_scale, read_scale
    from kaleido.records.shard import Shard

    shard = Shard.parse(args.shard) if args.shard else Shard(1, 1)
    scale = read_scale(find_scale(args.scale))
    if args.seeds is not None and not 1 <= args.seeds <= len(scale.seeds):
        raise UserError(f"--seeds must be 1 to {len(scale.seeds)}, the seeds of {scale.path}. Received: {args.seeds}")
    planner = Planner(scale, args.runs)
    if scale.kind == ORIGINAL:
        planned = wanted = plan_original(planner)
    else:
        experiments = read_experiments(args.experiments or scale.path.parents[1] / "experiments")
        check_cells({experiment.name: experiment.cells for experiment in experiments})
        planned = planner.plan(experiments, scale.seeds[: args.seeds])
        names = {experiment.name for experiment in chosen(experiments, args.only)}
        wanted = [run for run in planned if run.experiment.name in names]
    mine = [run for number, run in enumerate(different_runs(wanted)) if shard.holds(number)]
    stages = stages_of(mine)
    done = {stage.key: is_done(stage) for stage in stages}
    missing = {stage.missing: stage for stage in stages if stage.missing and not done[stage.key]}
    if args.dry_run:
        for run in mine:
            left = [kind for kind, stage in run.stages.items() if not done[stage.key]]
            print(f"{run.experiment.name}, seed {run.seed}: {', '.join(left) or 'done'}")
        print(f"{len(wanted)} runs, {len(mine)} of them different and for this process")
        print(Estimate(scale, planner.runs).table(stages, done))
        for reason in missing:
            print(f"missing: {reason}")
        return 0
    if missing:
        raise UserError(f"{scale.path}: {next(iter(missing))}")
    write_plan(planner.runs, scale, planned)
    failed = Runner(scale, planner.runs).run(stages)
    if failed:
        first = next((stage for stage in failed if (stage.folder / FAILED_FILE).is_file()), failed[0])
        print(f"{len(failed)} of {len(stages)} stages are not there; the first that failed: {first.folder / LOG_FILE}")
        return 1
    print(f"all {len(stages)} stages are in {planner.runs}")
    return 0
