"""What stands between Postfix and a name server of signed zones in place of a validating resolver: answers of signed zones get the AD bit."""
import os
import socket
import subprocess
import threading

import dns.flags
import dns.message
import dns.rdatatype
import dns.resolver

HERE = os.path.dirname(os.path.abspath(__file__))


class AdProxy:
    def __init__(self, server_port):
        self.server_port = server_port
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def answer(self, query):
        asked = dns.message.from_wire(query)
        asked.use_edns(0, ednsflags=dns.flags.DO, payload=4096)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.connect(("127.0.0.1", self.server_port))
            s.send(asked.to_wire())
            said = dns.message.from_wire(s.recv(65535))
        sections = said.answer + said.authority
        signed = any(r.rdtype == dns.rdatatype.RRSIG for r in sections)
        reply = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
        reply.set_rcode(said.rcode())
        reply.flags |= dns.flags.AD if signed else 0
        reply.answer = [r for r in said.answer if r.rdtype != dns.rdatatype.RRSIG]
        reply.authority = [r for r in said.authority if r.rdtype == dns.rdatatype.SOA]
        return reply.to_wire()

    def serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(65535)
            except OSError:
                return
            if not query:
                return
            try:
                self.socket.sendto(self.answer(query), peer)
            except Exception as e:      # what cannot be asked is answered by silence
                print("proxy:", e)

    def close(self):
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("127.0.0.1", self.port))
        self.thread.join()
        self.socket.close()

    def environment(self, folder):
        """What programs of Postfix are to have in theirs."""
        library = f"{folder}/resolver_here.so"
        subprocess.run([os.environ.get("CC", "cc").split()[-1], "-shared", "-fPIC", "-o", library, f"{HERE}/../peers/resolver_here.c"], check=True, timeout=60)
        os.chmod(library, 0o755)
        return {"LD_PRELOAD": library, "TEST_DNS_PORT": str(self.port)}
