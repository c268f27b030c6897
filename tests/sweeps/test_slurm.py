"""A real SLURM of two nodes on this machine, on loopback alone: an array, requeued, cancelled, and a node that is lost.

It needs ``apt-get install --no-install-recommends slurmctld slurmd slurm-client munge``.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
from processes import environment, forked
from test_sweeps import Reference, assert_whole, file, reference, soak

from srnn import Sweep

__all__ = ["file", "reference"]

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
pytestmark = [
    soak,
    pytest.mark.slurm,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)), reason="needs SLURM, munge and to be root"
    ),
]
SLOW_SRNN = Path(__file__).parents[1] / "slow_disk.py"
NODES = ("n0", "n1")
#: Seconds after which what hangs is ended, many times what a busy machine needs.
_PATIENCE = 1200
CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost({address})
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1
SlurmdTimeout=10
KillWait=5
MessageTimeout=60
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
NodeName=n0 NodeAddr={address} NodeHostname={host} Port={ports[1]} CPUs=1 RealMemory=2000
NodeName=n1 NodeAddr={address} NodeHostname={host} Port={ports[2]} CPUs=1 RealMemory=2000
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """The two nodes and what rules them, from :meth:`begin` to :meth:`end`."""

    def __init__(self, folder: Path) -> None:
        self.address = _own_address()
        self.ports = _free_ports(3)
        for part in ("munge", "state", "spool/n0", "spool/n1"):
            (folder / part).mkdir(parents=True)
        (folder / "munge").chmod(0o700)
        key = folder / "munge/key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        self.folder = folder
        self._configuration = folder / "slurm.conf"
        host = socket.gethostname().partition(".")[0]
        self._configuration.write_text(
            CONFIGURATION.format(folder=folder, host=host, address=self.address, ports=self.ports)
        )

    def begin(self) -> None:
        places = [
            f"--{name}={self.folder / 'munge' / file}" for name, file in (("socket", "socket"), ("key-file", "key"))
        ]
        places += [f"--{name}-file={self.folder / 'munge' / name}" for name in ("pid", "log", "seed")]
        self.call("munged", "--force", *places)
        self.call("slurmctld", "-c", "-f", str(self._configuration))
        for node in NODES:
            self.call("slurmd", "-N", node, "-f", str(self._configuration))
        self.wait(lambda: self.call("sinfo", "-h", "-o", "%t %D").split() == ["idle", "2"])

    def call(self, *command: str) -> str:
        """What a command of SLURM prints."""
        variables = environment(SLURM_CONF=str(self._configuration))
        done = subprocess.run(
            command, env=variables, cwd=self.folder, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout.strip()

    def wait(self, there: Callable[[], object]) -> None:
        """Until it is there; on a busy machine a command of SLURM may fail now and then."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            with suppress(AssertionError):
                if there():
                    return
            time.sleep(0.1)
        raise AssertionError(f"{self.call('sinfo')}\n{self.call('squeue', '-r')}")

    def tasks(self) -> dict[str, tuple[str, str]]:
        """State and node of each task of all arrays that are not over."""
        lines = self.call("squeue", "-h", "-r", "-o", "%i %T %N").splitlines()
        return {words[0]: (words[1], words[2] if len(words) > 2 else "") for words in map(str.split, lines)}

    def lose(self, node: str) -> None:
        """All processes of a node die at once."""
        os.kill(int((self.folder / f"{node}.pid").read_text()), signal.SIGKILL)
        for process in _processes():
            with suppress(OSError):
                variables = (process / "environ").read_bytes()
                step = b"slurmstepd" in (process / "cmdline").read_bytes() and node.encode() in variables
                job = f"SLURMD_NODENAME={node}\0".encode() in variables
                if str(self.folder).encode() in variables and (step or job):
                    os.kill(int(process.name), signal.SIGKILL)

    def end(self) -> None:
        with suppress(AssertionError):
            self.call("scancel", "--user=root")
        for name in ("n0.pid", "n1.pid", "slurmctld.pid", "munge/pid"):
            with suppress(OSError, ValueError):
                number = int((self.folder / name).read_text())
                os.kill(number, signal.SIGTERM)
                self.wait(partial(_has_ended, number))


def _has_ended(number: int) -> bool:
    """Or stays as a zombie, where nobody asks how it ended."""
    with suppress(OSError):
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def _processes() -> list[Path]:
    return [*Path("/proc").glob("[0-9]*")]


def _own_address() -> str:
    """The only one at which SLURM listens if it is not to listen at all of them: that of this machine's name."""
    with suppress(OSError):
        found = str(socket.getaddrinfo(socket.gethostname(), 0, socket.AF_INET)[0][-1][0])
        if ip_address(found).is_loopback:
            return found
    pytest.skip(
        "SLURM listens at the address of this machine's name alone, which is none that only this machine reaches"
    )


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[Slurm]:
    # The path of a socket may have 100 characters.
    folder = Path("/tmp") / f"slurm-{secrets.token_hex(4)}"
    slurm = Slurm(folder)
    try:
        slurm.begin()
        yield slurm
    finally:
        slurm.end()
        for log in folder.glob("*.log"):
            shutil.copy(log, tmp_path)
        shutil.rmtree(folder, ignore_errors=True)


def test_an_array_is_requeued_cancelled_and_loses_a_node(
    tmp_path: Path, file: Path, reference: Reference, slurm: Slurm
) -> None:
    """On a disk so slow that each happens in the middle: until a node is missed, a fast machine would do all runs."""
    out = tmp_path / "runs"
    answer = forked(["sweep", str(file), "--out", str(out), "--sbatch", "--jobs", "2"], tmp_path)
    script = tmp_path / "sweep.sh"
    script.write_text(answer.out.replace(f"{sys.executable} -m srnn", f"{sys.executable} {SLOW_SRNN}"))
    assert str(SLOW_SRNN) in script.read_text()

    def ended() -> int:
        return Sweep.open(out / "tiny").states["ended"] if (out / "tiny/plan.json").exists() else 0

    def state(task: str) -> tuple[str, str]:
        return slurm.tasks().get(task, ("", ""))

    job = slurm.call("sbatch", "--parsable", "--export=ALL,SLOW=0.15", str(script))
    first, second = f"{job}_0", f"{job}_1"
    slurm.wait(lambda: ended() >= 2)

    # Requeued: it saves its state, and goes on where it was. Not at once: a node takes what is begun within the second
    # in which it ended a job for the job that it has ended.
    slurm.call("scontrol", "requeue", first)
    slurm.wait(lambda: state(first)[0] == "PENDING")
    slurm.call("scontrol", "update", f"jobid={first}", "StartTime=now+5")
    slurm.wait(lambda: state(first)[0] == "RUNNING")

    # A node is lost: its task is begun again on the other one, once that is free.
    slurm.wait(lambda: state(second)[0] == "RUNNING")
    lost = state(second)[1]
    slurm.lose(lost)
    slurm.wait(lambda: "down" in slurm.call("sinfo", "-h", "-n", lost, "-o", "%t"))

    # Cancelled: the rest is done by whatever is submitted next.
    slurm.call("scancel", job)
    slurm.wait(lambda: not slurm.tasks())
    done = ended()
    assert 2 <= done < 24
    assert slurm.call("sbatch", "--parsable", "--wait", "--export=ALL,SLOW=0", str(script))
    assert ended() == 24
    assert_whole(out / "tiny", reference)

    listening = Path("/proc/net/tcp").read_text().splitlines()[1:]
    places = [line.split()[1].partition(":") for line in listening]
    own = int.from_bytes(socket.inet_aton(slurm.address), sys.byteorder)
    assert {address for address, _, port in places if int(port, 16) in slurm.ports} == {f"{own:08X}"}
