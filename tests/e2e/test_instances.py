"""Several instances on one machine: chosen by name, listed, and one that takes no mail from the network."""
import socket
import subprocess

import pytest
from mtadtest import BUILD, Instance


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    folder = tmp_path_factory.mktemp("instances")
    out = Instance(folder / "out", {"multi_instance_name": "mta-out", "multi_instance_group": "mta", "multi_instance_enable": "yes",
                                    "master_service_disable": "!keep/inet inet", "myhostname": "out.site.test"})
    out.master += f"{out.port + 1} inet n - y - - smtpd\n"
    out.write()
    off = Instance(folder / "off", {"multi_instance_name": "mta-off"})
    main = Instance(folder / "main", {"multi_instance_directories": f"{out.dir}, {off.dir}", "multi_instance_enable": "yes"})
    return main, out, off


def multi(mta, *args):
    r = subprocess.run([f"{BUILD}/mtactl", "postmulti", *args], capture_output=True, text=True, timeout=60, env={"MAIL_CONFIG": mta.dir, "PATH": "/usr/bin:/bin"})
    return r.returncode, r.stdout, r.stderr


def test_listed(sites):
    main, out, off = sites
    lines = [f"{'-':15} {'-':15} {'y':9} {main.dir}\n", f"{'mta-out':15} {'mta':15} {'y':9} {out.dir}\n", f"{'mta-off':15} {'-':15} {'n':9} {off.dir}\n"]
    assert multi(main, "-l") == (0, "".join(lines), "")
    assert multi(main, "-R", "-l") == (0, "".join(reversed(lines)), "")
    assert multi(main, "-l", "-g", "mta") == (0, lines[1], "") and multi(main, "-l", "-i", "-") == (0, lines[0], "")
    assert multi(main, "-l", "-i", "nobody") == (0, "", "")


def test_chosen(sites):
    main, out, off = sites
    for name, dir in (("-", main.dir), ("mta-out", out.dir), ("mta-off", off.dir), (out.dir, out.dir)):
        assert main.ctl("-i", name, "config", "get", "-h", "queue_directory").stdout == f"{dir}/queue\n"
    r = main.ctl("-i", "nobody", "status")
    assert r.returncode == 78 and 'no instance "nobody"' in r.stderr and "- mta-out mta-off" in r.stderr
    assert multi(main, "-x", "sh", "-c", "echo $MAIL_CONFIG $multi_instance_name")[1] == f"{main.dir}\n{out.dir} mta-out\n{off.dir} mta-off\n"
    assert multi(main, "-i", "mta-out", "-x", "false")[0] == 1 and multi(main, "-i", "nobody", "-x", "true")[0] == 1
    assert multi(main)[0] == 1 and multi(main, "-e", "create")[0] == 69


def test_without_the_network(sites):
    """postmulti starts and stops it; no inet service listens, mail from this machine is taken."""
    main, out, _ = sites
    assert multi(main, "-i", "mta-out", "-p", "status")[0] == 1
    with out:
        assert multi(main, "-g", "mta", "-p", "status")[0] == 0
        for port in (out.port, out.port + 1):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
        out.sendmail(b"Subject: x\n\nhello\n", "root@site.test")
        out.wait_log(r"to=<root@site.test>.* status=sent")
        assert main.ctl("-i", "mta-out", "status").returncode == 0
        assert multi(main, "-p", "reload")[0] == 1      # the default one does not run
        assert multi(main, "-i", "mta-off", "-p", "reload")[0] == 0     # is switched off: left alone
        assert multi(main, "-i", "mta-out", "-p", "reload")[0] == 0
