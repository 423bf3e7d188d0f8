"""A PostgreSQL cluster of the test's own: in a temporary folder, on a Unix socket there, without TCP, stopped by its own
pid. The server refuses to run as root: it is started as the user `postgres` then.
As a program: postgres.py COMMAND... runs COMMAND with WHICHQUANT_TEST_STORE set to the URL of an empty database."""
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time


def program(name):
    """Debian keeps them beside PATH, and what PATH has are wrappers."""
    return next(iter(sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)), None) or shutil.which(name)


class Cluster:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="wq-pg-", dir="/tmp")   # short: a socket's path has 107 characters
        self.data = os.path.join(self.folder, "data")
        self.who = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        if self.who:
            shutil.chown(self.folder, "postgres", "postgres")
        os.chmod(self.folder, 0o755)
        self.process = None
        subprocess.run([program("initdb"), "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale",
                        "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self.who)
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        log = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen([program("postgres"), "-D", self.data, "-k", self.folder, "-h", "", "-c",
                                         "fsync=off"], stdout=log, stderr=log, cwd=self.folder,
                                        start_new_session=True, **self.who)
        log.close()
        until = time.time() + 60
        while self.sql("SELECT 1", "postgres", check=False).returncode != 0:
            if time.time() > until or self.process.poll() is not None:
                raise RuntimeError(open(os.path.join(self.folder, "log")).read()[-2000:])
            time.sleep(0.05)

    def stop(self, how=signal.SIGINT):          # SIGINT: a fast shutdown; SIGQUIT: at once, as in a crash
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, name, user="postgres"):
        return f"postgresql://{user}@/{name}?host={self.folder}"

    def sql(self, text, name, check=True):
        return subprocess.run([program("psql"), "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U",
                               "postgres", "-d", name, "-c", text], check=check, capture_output=True, text=True)

    def new(self, name):
        self.sql(f'CREATE DATABASE "{name}"', "postgres")
        return self.url(name)


def beside(name):
    """An empty database on the server of WHICHQUANT_TEST_STORE; None where that is not set."""
    url = os.environ.get("WHICHQUANT_TEST_STORE")
    if url:
        subprocess.run([program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", f'CREATE DATABASE "{name}"'],
                       check=True)
    return url and url.replace("/store?", f"/{name}?")


if __name__ == "__main__":
    if not program("initdb"):
        print("no PostgreSQL here (Debian: postgresql)")
        sys.exit(77)
    cluster = Cluster()
    try:
        url = cluster.new("store")
        code = subprocess.run(sys.argv[1:], env={**os.environ, "WHICHQUANT_TEST_STORE": url}).returncode
    finally:
        cluster.close()
    sys.exit(code)
