"""Tables that real servers answer, private ones on loopback: PostgreSQL, MariaDB, OpenLDAP, memcached, SQLite; tcp and socketmap from here."""
import glob
import os
import pwd
import shutil
import signal
import smtplib
import socket
import socketserver
import subprocess
import threading
import time

import pytest

from mtadtest import BUILD, Instance, free_port, wait_for

ROWS = [("alias@one.test", "a@x.test"), ("alias@one.test", "b@x.test"), ("it's@one.test", "quote"), ("back\\slash@one.test", "bs"), ("user@two.test", "2"),
        ("plain", "p"), ("50%@one.test", "percent"), ("star*(x)@one.test", "star")]
KEYS = [k for k, _ in ROWS] + ["nobody@one.test", "ALIAS@One.Test", "x' or '1'='1", "*", "@one.test", "user@sub.two.test", "a b", "\\"]


def as_user(name):
    """So that a server which refuses to be root can be started; the folder must be its own."""
    entry = pwd.getpwnam(name)

    def change():
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
    return change


def own(folder, name):
    os.makedirs(folder, exist_ok=True)
    if os.getuid() == 0:
        shutil.chown(folder, name)
        for part in folder.split("/")[2:-1]:
            os.chmod(folder[:folder.index("/" + part) + len(part) + 1], 0o755)


def run(*words, check=True, **more):
    return subprocess.run(words, check=check, capture_output=True, text=True, timeout=60, **more)


def lines_of_sql(quote):
    yield "create table aliases (k varchar(200), v varchar(200));"
    for k, v in ROWS:
        yield f"insert into aliases values ({quote(k)}, {'NULL' if v is None else quote(v)});"


class Server:
    def __init__(self, words, user, ready, end=signal.SIGTERM):
        self.words, self.user, self.process, self.end = words, user, None, end
        self.ready = ready

    def start(self):
        self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=as_user(self.user))
        wait_for(lambda: self.process.poll() is not None or self.ready())
        assert self.process.poll() is None
        return self

    def stop(self):
        self.process.send_signal(self.end)
        self.process.wait(30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    (folder / "main.cf").write_text("compatibility_level = 3.6\n")
    (folder / "master.cf").write_text("")
    for name in ("dynamicmaps.cf", "dynamicmaps.cf.d"):
        os.symlink(f"/etc/postfix/{name}", folder / name)
    return str(folder)


@pytest.fixture(scope="module")
def pgsql(folder):
    data, port = f"{folder}/pg", free_port()
    binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
    own(data, "postgres")
    with open(f"{folder}/pgpass", "w") as f:
        f.write("secret\n")
    run(f"{binaries}/initdb", "-D", data, "-A", "scram-sha-256", "-U", "mail", f"--pwfile={folder}/pgpass", "-E", "UTF8", "--locale=C", "--no-sync",
        preexec_fn=as_user("postgres"), cwd="/")
    env = {**os.environ, "PGPASSWORD": "secret"}

    def psql(text, check=True):
        return run("psql", "-h", "127.0.0.1", "-p", str(port), "-U", "mail", "-d", "postgres", "-qc", text, env=env, check=check)
    server = Server([f"{binaries}/postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", data, "-F"], "postgres",
                    lambda: psql("select 1", False).returncode == 0, signal.SIGINT).start()      # at SIGTERM it would wait for its clients
    psql("".join(lines_of_sql(lambda s: "'" + s.replace("'", "''") + "'")))
    server.sql = psql
    yield server, f"hosts = 127.0.0.1:{port}\nuser = mail\npassword = secret\ndbname = postgres\n"
    server.stop()


@pytest.fixture(scope="module")
def mysql(folder):
    data, port = f"{folder}/my", free_port()
    own(data, "mysql")
    run("mariadb-install-db", "--no-defaults", f"--datadir={data}", f"--tmpdir={data}", "--user=mysql", "--auth-root-authentication-method=normal", "--skip-test-db")

    def sql(text, check=True):
        return run("mariadb", "--no-defaults", "-S", f"{data}/s", "-u", "root", "--default-character-set=utf8mb4", check=check, input=text)
    server = Server(["mariadbd", "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1", f"--socket={data}/s",
                     f"--pid-file={data}/pid", f"--tmpdir={data}", "--character-set-server=utf8mb4"], "mysql", lambda: sql("select 1;", False).returncode == 0).start()
    sql("create database mail; use mail; " + "".join(lines_of_sql(lambda s: "'" + s.replace("\\", "\\\\").replace("'", "''") + "'")) +
        "create user mail@'127.0.0.1' identified by 'secret'; grant select on mail.* to mail@'127.0.0.1';")
    server.sql = sql
    yield server, f"hosts = 127.0.0.1:{port}\nuser = mail\npassword = secret\ndbname = mail\n"
    server.stop()


@pytest.fixture(scope="module")
def ldap(folder):
    data, port = f"{folder}/ldap", free_port()
    own(data, "openldap")
    with open(f"{folder}/slapd.conf", "w") as f:
        f.write("include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/inetorgperson.schema\n"
                f"modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {data}/pid\ndatabase mdb\nsuffix dc=test\nrootdn cn=admin,dc=test\n"
                f"rootpw secret\ndirectory {data}\nmaxsize 16777216\n")
    values = {}
    for k, v in ROWS:
        if v:
            values.setdefault(k, []).append(v)
    with open(f"{folder}/ldif", "w") as f:
        f.write("dn: dc=test\nobjectClass: dcObject\nobjectClass: organization\ndc: test\no: test\n\n")
        for n, (k, v) in enumerate(values.items()):
            f.write(f"dn: uid=u{n},dc=test\nobjectClass: inetOrgPerson\nuid: u{n}\ncn: x\nsn: x\nmail: {k}\n" +
                    "".join(f"description: {one}\n" for one in v) + "\n")
        # Entries that name others: by DN, by URL, each other, and themselves.
        for uid, mail, more in (("g0", "staff@one.test", "seeAlso: uid=u0,dc=test\nseeAlso: uid=u4,dc=test\ndescription: own\n"),
                                ("g1", "url@one.test", "labeledURI: ldap:///dc=test??sub?(uid=u5)\n"),
                                ("g2", "nested@one.test", "seeAlso: uid=g0,dc=test\nseeAlso: uid=gone,dc=test\n"),
                                ("g3", "loop@one.test", "seeAlso: uid=g3,dc=test\n"),
                                ("g4", "end@one.test", "seeAlso: uid=u0,dc=test\ntitle: last\ndescription: not this\n")):
            f.write(f"dn: uid={uid},dc=test\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: x\nsn: x\nmail: {mail}\n{more}\n")
    os.chmod(folder, 0o755)
    run("slapadd", "-f", f"{folder}/slapd.conf", "-l", f"{folder}/ldif", preexec_fn=as_user("openldap"))
    server = Server(["slapd", "-f", f"{folder}/slapd.conf", "-h", f"ldap://127.0.0.1:{port} ldapi://{data.replace('/', '%2F')}%2Fs", "-d", "0"], "openldap", lambda: run(
        "ldapsearch", "-x", "-H", f"ldap://127.0.0.1:{port}", "-b", "dc=test", "-s", "base", check=False).returncode == 0).start()
    yield server, (f"server_host = ldap://127.0.0.1:{port}\nversion = 3\nsearch_base = dc=test\nbind_dn = cn=admin,dc=test\nbind_pw = secret\n"
                   "result_attribute = description\n")
    server.stop()


@pytest.fixture(scope="module")
def sqlite(folder):
    import sqlite3
    with sqlite3.connect(f"{folder}/db") as db:
        db.execute("create table aliases (k, v)")
        db.executemany("insert into aliases values (?, ?)", ROWS)
    os.chmod(f"{folder}/db", 0o644)
    return None, f"dbpath = {folder}/db\n"


@pytest.fixture(scope="module")
def memcache(folder):
    port = free_port()
    server = Server(["memcached", "-l", "127.0.0.1", "-p", str(port), "-m", "16"], "nobody", lambda: not time.sleep(.3)).start()
    yield server, f"memcache = inet:127.0.0.1:{port}\nbackup = inline:{{alias@one.test=a@x.test, plain=p}}\n"
    server.stop()


def both(folder, *args, stdin=""):
    theirs = subprocess.run(["postmap", "-c", folder, *args], capture_output=True, input=stdin.encode(), timeout=60)
    ours = subprocess.run([f"{BUILD}/mtactl", "postmap", "-c", folder, *args], capture_output=True, input=stdin.encode(), timeout=60)
    return (theirs.returncode, theirs.stdout), (ours.returncode, ours.stdout), ours.stderr.decode() + theirs.stderr.decode()


VARIANTS = ["", "result_format = <%s>\n", "result_format = %u at %d for %S (%U, %D, %1, %2)\n", "domain = one.test, inline:{two.test=x}\n", "expansion_limit = 1\n",
            "expansion_limit = 2\nresult_format = %s%%\n"]
QUERIES = ["select v from aliases where k = '%s' order by v", "select v from aliases where k = '%u@%d' order by v", "select v, k from aliases where k like '%%@%2.%1' order by v",
           "select v from aliases where k = '%U@%D' order by v"]


def variants(kind):
    # postmap takes a second for each warning or fatal error, so not all are paired.
    if kind == "ldap":
        return [v + f"query_filter = {q}\n" for v in VARIANTS for q in ("(mail=%s)", "(mail=%u@%d)", "(&(mail=*@%2.%1)(objectClass=*))")
                if v == "" or q == "(mail=%s)"]
    if kind == "memcache":
        return ["", "key_format = x:%s\n", "key_format = %u-%d\n", "domain = one.test\n"]
    return [v + f"query = {q}\n" for v in VARIANTS for q in QUERIES if v == "" or q == QUERIES[0]] + ["select_field = v\ntable = aliases\nwhere_field = k\n"]


@pytest.mark.parametrize("kind", ["sqlite", "pgsql", "mysql", "ldap", "memcache"])
def test_answers(folder, kind, request):
    """Every key by every form of query: what postmap says."""
    settings = request.getfixturevalue(kind)[1]
    for variant in variants(kind):
        with open(f"{folder}/{kind}.cf", "w") as f:
            f.write(settings + variant)
        # A key with too many values ends postmap: each for itself then.
        for keys in [[k] for k in KEYS[1:5]] if "limit = 1" in variant else [KEYS]:
            theirs, ours, said = both(folder, "-q", "-", f"{kind}:{folder}/{kind}.cf", stdin="\n".join(keys) + "\n")
            if kind == "ldap":
                theirs, ours = ((r[0], [sorted(line.split(b"\t")[-1].split(b",")) for line in r[1].splitlines()]) for r in (theirs, ours))
            assert theirs == ours, (variant, keys, said)


def test_sql_procedures(folder, pgsql, mysql):
    """select_function of pgsql; a stored procedure of mysql, which gives several sets of rows, or none."""
    pgsql[0].sql("create function find(k0 text) returns setof text as 'select v::text from aliases where k = k0 order by v' language sql;")
    mysql[0].sql("use mail; create procedure find(k0 varchar(200)) select v from aliases where k = k0 order by v; "
                 "create procedure nothing() do 1; grant execute on mail.* to mail@'127.0.0.1';")
    cases = [("pgsql", pgsql[1] + "select_function = find\n"), ("mysql", mysql[1] + "query = call find('%s')\n"),
             ("mysql", mysql[1] + "query = call nothing()\nrequire_result_set = no\n"),
             ("mysql", mysql[1] + "query = select v from aliases where k = '%s'\noption_file = /nosuch\noption_group = x\n")]
    for kind, settings in cases:
        with open(f"{folder}/{kind}.cf", "w") as f:
            f.write(settings)
        theirs, ours, said = both(folder, "-q", "-", f"{kind}:{folder}/{kind}.cf", stdin="\n".join(KEYS[:5]) + "\n")
        assert theirs == ours, (settings, said)


def test_ldap_entries_that_name_others(folder, ldap):
    """special, leaf and terminal attributes; recursion_limit; kinds of bind; protocol versions."""
    settings = ldap[1].replace("version = 3\n", "")
    special = "special_result_attribute = seeAlso, labeledURI\n"
    keys = ["staff@one.test", "url@one.test", "nested@one.test", "end@one.test", "plain", "none"]
    bound = "bind = no\n"
    for more, asked in ((special, keys), (special + "terminal_result_attribute = title\n", keys[:4]),
                        (settings.replace("result_attribute = description", special + "leaf_result_attribute = description\nresult_attribute = mail"), keys[:4]),
                        (special + "recursion_limit = 1\n", keys[:1]), (special + "recursion_limit = 10\n", ["loop@one.test"]),
                        (bound, keys[4:5]), ("bind = simple\nchase_referrals = yes\n", keys[4:5]), ("bind_pw = wrong\n", keys[4:5]),
                        (f"server_host = ldapi://{folder.replace('/', '%2F')}%2Fldap%2Fs\nsearch_base = dc=test\nbind = sasl\nsasl_mechs = EXTERNAL\n"
                         "result_attribute = description\n", keys[4:5])):
        with open(f"{folder}/ldap.cf", "w") as f:
            f.write(("" if more.startswith("server_host") else settings) + "query_filter = (mail=%s)\n" + more)
        theirs, ours, said = both(folder, "-q", "-", f"ldap:{folder}/ldap.cf", stdin="\n".join(asked) + "\n")
        theirs, ours = ((r[0], [sorted(line.split(b"\t")[-1].split(b",")) for line in r[1].splitlines()]) for r in (theirs, ours))
        assert theirs == ours, (more, asked, said)


class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write({b"get known%40one.test": b"200 an%20answer\n", b"get known@one.test": b"200 an%20answer\n", b"get bad@one.test": b"400 not%20now\n",
                              b"get once@one.test": b"200 x\n"}.get(line.strip(), b"500 no\n"))
            if b"once" in line:
                return


class Netstrings(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            head = b""
            while not head.endswith(b":"):
                c = self.rfile.read(1)
                if not c:
                    return
                head += c
            name, key = self.rfile.read(int(head[:-1]) + 1)[:-1].decode().split(" ", 1)
            reply = {"known@one.test": f"OK {name} answers", "bad@one.test": "TEMP later", "wrong@one.test": "what"}.get(key, "NOTFOUND ")
            self.wfile.write(f"{len(reply)}:{reply},".encode())


@pytest.fixture(scope="module")
def scripted():
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    socketserver.ThreadingTCPServer.daemon_threads = True
    servers = [socketserver.ThreadingTCPServer(("127.0.0.1", free_port()), handler) for handler in (Lines, Netstrings)]
    for s in servers:
        threading.Thread(target=s.serve_forever, daemon=True).start()
    yield [s.server_address[1] for s in servers]
    for s in servers:
        s.shutdown()
        s.server_close()


def test_tcp_and_socketmap(folder, scripted):
    for spec in (f"tcp:127.0.0.1:{scripted[0]}", f"socketmap:inet:127.0.0.1:{scripted[1]}:name"):
        for key in ("known@one.test", "Known@One.test", "bad@one.test", "wrong@one.test", "none", "a b", "once@one.test"):
            theirs, ours, said = both(folder, "-q", key, spec)
            assert theirs == ours, (spec, key, said)
        many = "known@one.test\nonce@one.test\nknown@one.test\nonce@one.test\n"      # a server that hangs up in between
        theirs, ours, said = both(folder, "-q", "-", spec, stdin=many)
        assert theirs == ours, said


def to_cache(server, key):
    with socket.create_connection(("127.0.0.1", int(server.words[server.words.index("-p") + 1])), 10) as s:
        s.sendall(f"set {key} 0 0 1\r\nx\r\n".encode())
        assert s.recv(100) == b"STORED\r\n"


def rcpt(mta, address):
    with smtplib.SMTP("127.0.0.1", mta.port, timeout=30) as s:
        s.ehlo("client.test")
        s.mail("from@site.test")
        return s.rcpt(address)[0]


@pytest.mark.parametrize("root", [False, True], ids=["user", "root"])
def test_daemon(folder, tmp_path, pgsql, mysql, ldap, sqlite, memcache, scripted, root):
    """In the lookup role, with its system call filter; the queue role routes by them, too; servers that go away and come back."""
    os.chmod(tmp_path, 0o755)
    specs = {}
    for kind, (server, settings), query in (("pgsql", pgsql, QUERIES[0]), ("mysql", mysql, QUERIES[0]), ("sqlite", sqlite, QUERIES[0]), ("ldap", ldap, "(mail=%s)"),
                                            ("memcache", memcache, None)):
        more = "" if query is None else f"query{'_filter' if kind == 'ldap' else ''} = {query}\nretry_interval = 1\n"
        (tmp_path / f"{kind}.cf").write_text(settings + more)
        os.chmod(tmp_path / f"{kind}.cf", 0o600)      # the master opens it for the role
        specs[kind] = f"{kind}:{tmp_path}/{kind}.cf"
    specs["tcp"] = f"tcp:127.0.0.1:{scripted[0]}"
    specs["socketmap"] = f"socketmap:inet:127.0.0.1:{scripted[1]}:n"
    for kind, spec in specs.items():
        known = "known@one.test" if kind in ("tcp", "socketmap") else "alias@one.test"
        mta = Instance(tmp_path / kind, root=root, main={"relay_domains": "one.test", "relay_recipient_maps": f"proxy:{spec}",
                                                         "smtpd_relay_restrictions": "reject_unauth_destination"})
        with mta:
            pids = mta.pids()
            assert (rcpt(mta, known), rcpt(mta, "nobody@one.test"), rcpt(mta, known)) == (250, 550, 250), (kind, mta.log())
            if kind in ("tcp", "socketmap"):
                assert rcpt(mta, "bad@one.test") == 451
            if kind in ("pgsql", "mysql", "ldap"):
                server = {"pgsql": pgsql, "mysql": mysql, "ldap": ldap}[kind][0]
                server.stop()
                assert rcpt(mta, known) == 451
                server.start()
                wait_for(lambda: rcpt(mta, known) == 250)
            if kind == "memcache":
                server, cached = memcache[0], f"cached{int(root)}@one.test"
                assert rcpt(mta, cached) == 550
                to_cache(server, cached)
                assert rcpt(mta, cached) == 250
                server.stop()
                assert (rcpt(mta, cached), rcpt(mta, known)) == (550, 250)     # the table behind it answers
                server.start()
                to_cache(server, cached)
                wait_for(lambda: rcpt(mta, cached) == 250)
            assert mta.pids() == pids, mta.log()[-3000:]


def test_routing(tmp_path, sqlite):
    """transport_maps that block: the queue role asks the lookup role."""
    import sqlite3
    os.chmod(tmp_path, 0o755)
    with sqlite3.connect(tmp_path / "db") as db:
        db.execute("create table t (k, v)")
        db.execute("insert into t values ('gone.test', 'error:5.1.2 no longer here'), ('user@kept.test', 'retry:4.0.0 by the table')")
    os.chmod(tmp_path / "db", 0o644)
    (tmp_path / "transport.cf").write_text(f"dbpath = {tmp_path}/db\nquery = select v from t where k = '%s'\n")
    mta = Instance(tmp_path / "mta", main={"transport_maps": f"sqlite:{tmp_path}/transport.cf"})
    with mta:
        mta.sendmail(b"Subject: x\n\nx\n", "-f", "from@site.test", "user@kept.test", "a@kept.test")     # by SMTP "retry:" is refused at once
        mta.wait_log(r"to=<user@kept\.test>.*by the table")
        assert "cannot be used for routing" not in mta.log()
        pids = mta.pids()
        db = sqlite3.connect(tmp_path / "db")
        db.execute("update t set v = 'retry:4.0.1 another word' where k = 'user@kept.test'")
        db.commit()
        time.sleep(2.5)         # answers are kept for two seconds
        mta.ctl("flush")
        mta.wait_log(r"to=<user@kept\.test>.*another word")
        assert mta.ctl("doctor").returncode == 0 and mta.pids() == pids
