"""A real Slurm of several hosts on this one, of its own in a folder: munged, slurmctld and a slurmd for each host."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from armature.graph.ports import HostPorts

PROGRAMS = ("munged", "slurmctld", "slurmd", "sinfo", "sbatch", "srun", "squeue", "scancel")
START_S = 30.0
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

CONF = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge.sock
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=100000
ReturnToService=2
MpiDefault=none
KillWait=30
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
PartitionName=lab Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class SlurmLab:
    """env: what makes Slurm's commands talk to it."""

    env: dict[str, str]

    def run(self, *argv: str) -> str:
        """A command's output."""
        return subprocess.run(argv, env=os.environ | self.env, capture_output=True, text=True, check=True, timeout=30).stdout

    def jobs(self) -> list[str]:
        """States of the jobs that are queued or run."""
        return self.run("squeue", "-h", "-r", "-o", "%T").split()


def why_not() -> str | None:
    """Why there can be none here; None: there can."""
    if missing := [p for p in PROGRAMS if not shutil.which(p, path=_PATH)]:
        return f"no {missing[0]}: apt-get install slurm-wlm munge"
    if os.geteuid() != 0:
        return "slurmd starts jobs as root only"
    groups = Path("/proc/self/setgroups")  # as in a sandbox of Bazel
    return "no process may change its groups here, and Slurm's do" if groups.exists() and groups.read_text().strip() == "deny" else None


@contextlib.contextmanager
def slurm_lab(hosts: int) -> Iterator[SlurmLab]:
    """A cluster of `hosts` hosts of 8 cores each, as far as Slurm knows; ended with all that runs in it."""
    root = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # a short path: sockets' names have 108 characters at most
    root.chmod(0o755)  # munged refuses a socket that not everybody can reach
    lab = SlurmLab({"SLURM_CONF": str(root / "slurm.conf"), "PATH": _PATH})
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        _start(root, hosts, lab, stack)
        yield lab
        subprocess.run(["scancel", "--user=root"], env=os.environ | lab.env, check=False, timeout=30)
        deadline = time.monotonic() + 40
        while lab.jobs() and time.monotonic() < deadline:
            time.sleep(0.2)


def _start(root: Path, hosts: int, lab: SlurmLab, stack: contextlib.ExitStack) -> None:
    for folder in ("state", "munge"):
        (root / folder).mkdir(mode=0o700)
    key = root / "munge/key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    first = HostPorts().take("127.0.0.1", 1 + hosts)  # slurmctld's, then one for each host
    here = socket.gethostname().split(".")[0]
    lines = [f"NodeName=n{i} NodeHostname={here} NodeAddr=127.0.0.1 Port={first + i} CPUs=8 RealMemory=4000" for i in range(1, hosts + 1)]
    (root / "slurm.conf").write_text(CONF.format(host=here, controller=first, root=root) + "\n".join(lines) + "\n")
    munged = ["munged", "--force", "--foreground", f"--key-file={key}", f"--socket={root}/munge.sock", f"--pid-file={root}/munged.pid"]
    daemons = [[*munged, f"--seed-file={root}/munge/seed", f"--log-file={root}/munged.log"], ["slurmctld", "-D", "-c"]]
    for i in range(1, hosts + 1):
        (root / f"spool/n{i}").mkdir(parents=True)
        daemons.append(["slurmd", "-D", "-N", f"n{i}"])
    for argv in daemons:
        with (root / f"{argv[0]}.out").open("ab") as out:
            process = subprocess.Popen(argv, env=os.environ | lab.env, stdout=out, stderr=out)
        stack.callback(_end, process)
        if argv[0] == "munged":
            _wait(lambda: (root / "munge.sock").exists(), root)
    _wait(lambda: lab.run("sinfo", "-h", "-N", "-o", "%t").split() == ["idle"] * hosts, root)


def _wait(holds: object, root: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        with contextlib.suppress(subprocess.SubprocessError):
            if holds():  # type: ignore[operator]
                return
        if time.monotonic() > deadline:
            logs = "\n".join(f"{f.name}: {f.read_text(errors='replace')[-1500:]}" for f in sorted(root.glob("*.[lo][ou][gt]")))
            raise AssertionError(f"Slurm did not start\n{logs}")
        time.sleep(0.2)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
