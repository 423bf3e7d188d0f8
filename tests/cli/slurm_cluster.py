"""A Slurm cluster on this machine alone: one slurmctld and a slurmd for each node, on loopback, without munge or an
installation. Every process is stopped by its own pid."""
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time

CONF = """ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/none
AuthInfo=cred_expire=5
CredType=cred/none
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={port}
SlurmctldPidFile={dir}/ctld.pid
SlurmdPidFile={dir}/slurmd-%n.pid
SlurmdSpoolDir={dir}/spool-%n
StateSaveLocation={dir}/state
SlurmctldLogFile={dir}/ctld.log
SlurmdLogFile={dir}/slurmd-%n.log
PluginDir={plugins}
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/linear
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=5
MessageTimeout=2
TCPTimeout=1
BatchStartTimeout=2
KillWait=1
MinJobAge=600
JobRequeue=1
"""


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def program(name):
    for folder in ("/usr/sbin", "/usr/bin", "/usr/lib/slurm-wlm"):
        for path in (f"{folder}/{name}-wlm", f"{folder}/{name}"):
            if os.path.exists(path):
                return path
    return None


def plugin_folder():
    for folder in ("/usr/lib/x86_64-linux-gnu/slurm-wlm", "/usr/lib/aarch64-linux-gnu/slurm-wlm", "/usr/lib/slurm"):
        if os.path.isdir(folder):
            return folder
    return None


def available():
    return all(program(n) for n in ("slurmctld", "slurmd", "slurmstepd")) and plugin_folder() is not None


class Cluster:
    """nodes: {name: features}."""

    def __init__(self, folder, nodes, env):
        self.folder, self.nodes = folder, nodes
        self.conf = os.path.join(folder, "slurm.conf")
        self.env = {**env, "SLURM_CONF": self.conf}
        self.process = {}
        os.makedirs(os.path.join(folder, "state"))
        host, ports = socket.gethostname().split(".")[0], free_ports(len(nodes) + 1)
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(CONF.format(dir=folder, host=host, port=ports[0], user=pwd.getpwuid(os.getuid()).pw_name,
                                plugins=plugin_folder()))
            for (name, features), port in zip(nodes.items(), ports[1:]):
                os.makedirs(os.path.join(folder, f"spool-{name}"))
                f.write(f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=4000 "
                        f"Feature={features}\n")
            f.write(f"PartitionName=all Nodes={','.join(nodes)} Default=YES MaxTime=INFINITE State=UP\n")

    def daemon(self, key, *args):
        with open(os.path.join(self.folder, f"{key}.out"), "ab") as log:
            self.process[key] = subprocess.Popen(args, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.env,
                                                 cwd=self.folder)

    def start_node(self, name):
        """Also one that boots again: nothing of the jobs that it had is left."""
        for left in os.listdir(os.path.join(self.folder, f"spool-{name}")):
            if left.startswith("job"):
                shutil.rmtree(os.path.join(self.folder, f"spool-{name}", left))
        self.daemon(name, program("slurmd"), "-D", "-N", name, "-d", program("slurmstepd"), "-f", self.conf)

    def start(self):
        self.daemon("ctld", program("slurmctld"), "-D", "-f", self.conf)
        for name in self.nodes:
            self.start_node(name)
        self.wait(lambda: self.states() == {n: "idle" for n in self.nodes}, 40, "the nodes never became idle")

    def call(self, *args):
        return subprocess.run(args, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)

    def states(self):
        out = self.call("sinfo", "-h", "-N", "-o", "%N %T").stdout
        return dict(line.split()[:2] for line in out.splitlines() if len(line.split()) == 2)

    def jobs(self):
        """[(state, node, reason)] of what is not done."""
        return [tuple(x.split("|")) for x in self.call("squeue", "-h", "-r", "-o", "%T|%N|%r").stdout.splitlines()]

    def wait(self, done, seconds, why):
        end = time.time() + seconds
        while not done():
            assert time.time() < end, f"{why}\n{self.logs()}"
            time.sleep(0.2)

    def members(self, node):
        return [pid for pid, _ in self.of_node(node)]

    def of_node(self, node):
        """[(pid, is it the job's own)] of jobs on that node of this cluster, with their keepers."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    words = f.read().split(b"\0")
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    line = f.read()
            except OSError:
                continue
            ours = f"SLURM_CONF={self.conf}".encode() in words
            job = f"SLURMD_NODENAME={node}".encode() in words
            step = b"slurmstepd" in line and self.process[node].pid != int(pid) and self.is_step_of(int(pid), node)
            if ours and (job or step):
                found.append((int(pid), job))
        return found

    def is_step_of(self, pid, node):
        """slurmstepd keeps a socket in its node's spool folder open or works there."""
        try:
            links = [os.readlink(f"/proc/{pid}/cwd")]
            links += [os.readlink(f"/proc/{pid}/fd/{f}") for f in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            return False
        return any(f"slurmd-{node}.log" in x or f"spool-{node}" in x for x in links)

    def send(self, node, signals):
        for pid in [self.process[node].pid] + self.members(node):
            for sig in signals:
                try:
                    os.kill(pid, sig)
                except ProcessLookupError:
                    pass

    def kill_node(self, name):
        """As if its power had gone: the daemon and whatever ran there. False: it was idle, and goes on."""
        self.send(name, [signal.SIGSTOP])
        if not any(job for _, job in self.of_node(name)):
            self.send(name, [signal.SIGCONT])
            return False
        self.send(name, [signal.SIGKILL])
        self.process.pop(name).wait()
        return True

    def logs(self):
        text = ""
        for name in sorted(os.listdir(self.folder)):
            if name.endswith(".log") or name.endswith(".out"):
                with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as f:
                    text += f"--- {name}\n" + "".join(f.readlines()[-15:])
        return text

    def stop(self):
        """Jobs first: a daemon that goes before its last job leaves that job's keeper behind."""
        if "ctld" in self.process:
            self.call("scancel", "--full", *re.findall(r"^\d+", self.call("squeue", "-h", "-o", "%A").stdout, re.M))
            end = time.time() + 10
            while self.jobs() and time.time() < end:
                time.sleep(0.2)
        for pid in [pid for node in self.nodes if node in self.process for pid in self.members(node)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for p in reversed(list(self.process.values())):
            p.terminate()
        for p in self.process.values():
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        self.process = {}
