"""Runs of a sweep as Slurm jobs, by way of submitit: it writes the batch scripts, carries the calls there and their results back."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from armature import env
from armature.config.launcher import SlurmJobs
from armature.errors import UserError
from armature.launch.spread import Cluster, Ended, left_behind
from armature.launch.sweep import PointRun
from armature.naming import component

ASK_S = 30.0  # how long squeue may take
KNOWN_S = 90.0  # how long a job waits to read of itself in the sweep's journal: shared file systems show changes late
_NO_RESULT_S = 15.0  # how long after a job has gone its result may still turn up, likewise


@dataclass(frozen=True)
class Task:
    """What one job does. call: returns an exit code; it is pickled, so a module's function or a partial of one. gpus: how many its host
    must give."""

    call: Callable[[], int]
    gpus: int


class Slurm(Cluster):
    """Jobs of one sweep. folder: the sweep's, on a file system that the cluster's hosts share."""

    def __init__(self, settings: SlurmJobs, folder: Path, tasks: Mapping[str, Task]) -> None:
        """tasks: run's name -> what its job does. Raises UserError where Slurm or submitit is missing."""
        try:
            import submitit
        except ImportError:
            raise UserError("hydra/launcher=submitit_slurm needs submitit", fix="pip install 'armature[slurm]'") from None
        if missing := [p for p in ("sbatch", "srun", "squeue", "scancel") if not shutil.which(p)]:
            raise UserError(f"there is no {missing[0]} on the PATH", fix="run the sweep on a login host of the cluster")
        self._submitit: Any = submitit
        self._settings, self._folder, self._tasks = settings, folder, tasks
        self.jobs_folder = env.caller_dir() / settings.submitit_folder if settings.submitit_folder else folder / "jobs"
        self._gone: dict[str, float] = {}

    def submit(self, runs: Sequence[PointRun]) -> list[str]:
        ids: dict[str, str] = {}
        for gpus, group in groupby(sorted(runs, key=self._gpus), key=self._gpus):
            alike = list(group)
            executor = self._submitit.AutoExecutor(cluster="slurm", folder=self.jobs_folder)
            executor.update_parameters(**parameters(self._settings, gpus, os.environ))
            try:
                with executor.batch():
                    jobs = [executor.submit(run_one, self._tasks[run.name].call, self._folder, run.name) for run in alike]
                ids |= {run.name: str(job.job_id) for run, job in zip(alike, jobs, strict=True)}
            except (self._submitit.core.utils.FailedJobError, self._submitit.core.utils.FailedSubmissionError) as e:
                if ids:
                    self.cancel(list(ids.values()))
                raise UserError(
                    f"Slurm rejected the job: {_last_line(str(e))}", fix="see hydra.launcher.partition=, account= and timeout_min="
                ) from None
        return [ids[run.name] for run in runs]

    def states(self) -> Mapping[str, str]:
        try:
            asked = subprocess.run(["squeue", "--me", "-h", "-r", "-o", "%i %T"], capture_output=True, text=True, timeout=ASK_S, check=True)
        except subprocess.SubprocessError as e:
            raise OSError(str(e)) from None
        return dict(line.split(maxsplit=1) for line in asked.stdout.splitlines())

    def ended(self, job: str, gone: bool) -> Ended | None:
        handle = self._submitit.SlurmJob(folder=self.jobs_folder, job_id=job, tasks=[0])
        if not handle.paths.result_pickle.exists():
            if not gone:
                self._gone.pop(job, None)
                return None
            since = self._gone.setdefault(job, time.monotonic())
            if time.monotonic() - since < _NO_RESULT_S:
                return None
            return Ended(1, f"job {job} ended without a result; its log: {handle.paths.stderr}")
        outcome, value = self._submitit.core.utils.pickle_load(handle.paths.result_pickle)
        if outcome == "success":
            return Ended(int(value))
        return Ended(1, f"job {job}: {_last_line(str(value))}; its log: {handle.paths.stderr}")

    def cancel(self, jobs: Sequence[str]) -> None:
        subprocess.run(["scancel", *jobs], check=False, timeout=ASK_S)

    def _gpus(self, run: PointRun) -> int:
        return self._tasks[run.name].gpus


def parameters(settings: SlurmJobs, gpus: int, environ: Mapping[str, str]) -> dict[str, Any]:
    """submitit's parameters of a job whose run needs `gpus` GPUs, called from a process with the environment `environ`."""
    import_path = [str(Path(f).absolute()) for f in environ.get("PYTHONPATH", "").split(os.pathsep) if f]
    lines = [
        *settings.setup,
        "export PYTHONSAFEPATH=1",  # a random.py in the user's folder must not be imported
        *([f"export PYTHONPATH={shlex.quote(os.pathsep.join(import_path))}"] if import_path else []),
        f"export {env.BAZEL_CALLER_DIR}={shlex.quote(str(env.caller_dir()))}",
        # Since Slurm 22.05 a step has one core unless it is told to take the job's.
        'export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE}"',
    ]
    gpus = settings.gpus_per_node if settings.gpus_per_node is not None else gpus
    given: dict[str, Any] = {
        "name": component(settings.name),
        "timeout_min": settings.timeout_min,
        "cpus_per_task": settings.cpus_per_task,
        "mem_gb": settings.mem_gb,
        "gpus_per_node": gpus or None,
        "slurm_exclusive": settings.exclusive or None,
        "slurm_setup": lines,
        "slurm_additional_parameters": dict(settings.additional_parameters) or None,
    }
    alike = ("partition", "account", "qos", "constraint", "exclude", "gres", "comment", "signal_delay_s", "array_parallelism")
    given |= {f"slurm_{name}": getattr(settings, name) for name in alike}
    return {name: value for name, value in given.items() if value is not None}


def run_one(call: Callable[[], int], sweep: Path, run: str) -> int:
    """What a job runs: `call`, unless the sweep knows nothing of this job, because what submitted it was killed before it could note it."""
    import submitit

    job = str(submitit.JobEnvironment().job_id)
    deadline = time.monotonic() + KNOWN_S
    while left_behind(sweep).get(run) != job:
        if time.monotonic() > deadline:
            print(f"job {job} is not in the sweep's journal: nothing to do", flush=True)
            return 1
        time.sleep(0.2)
    # Before its time is up, or when others need its host, a job gets SIGUSR2: the run ends in order, as it does by SIGTERM.
    signal.signal(signal.SIGUSR2, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    return call()


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"
