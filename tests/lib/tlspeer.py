"""A scripted SMTP server that speaks TLS: Sink with STARTTLS, or with TLS from the first byte."""
import ssl

from mtadtest import Sink


def server_context(certificate, minimum=None, maximum=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    if minimum:
        context.minimum_version = minimum
    if maximum:
        context.maximum_version = maximum
    return context


class TlsSink(Sink):
    """
    certificate: of tests/lib/certs.py. script["STARTTLS"] may give another reply than 220, and script["handshake"] may end the session or write something in
    place of a handshake. What clients asked for by SNI stands in `names`; how many handshakes were made in `handshakes`.
    """

    def __init__(self, certificate, context=None, wrapper=False, **more):
        self.context = context or server_context(certificate)
        self.names, self.handshakes, self.clients = [], 0, []
        self.wrapper = wrapper
        self.context.sni_callback = lambda sock, name, ctx: self.names.append(name)
        more.setdefault("extensions", ("PIPELINING", "8BITMIME", "SIZE 100000000", "DSN", "SMTPUTF8") + (() if wrapper else ("STARTTLS",)))
        super().__init__(**more)

    def secure(self, session):
        fn = self.script.get("handshake")
        if fn:
            fn(session, b"")
        session.connection = self.context.wrap_socket(session.connection, server_side=True)
        session.rfile, session.wfile = session.connection.makefile("rb"), session.connection.makefile("wb")
        session.secured = True
        with self.lock:
            self.handshakes += 1
            self.clients.append(session.connection.getpeercert(True))

    def talk(self, session):
        if self.wrapper:
            self.secure(session)
        super().talk(session)

    def reply(self, session, moment, argument, usual):
        if moment == "EHLO" and getattr(session, "secured", False):
            usual = usual.replace(b"\r\n250-STARTTLS", b"").replace(b"\r\n250 STARTTLS", b"")
            lines = usual.split(b"\r\n")
            usual = b"\r\n".join(lines[:-1] + [b"250 " + lines[-1][4:]])
        if moment == "OTHER" and argument.upper() == b"STARTTLS" and not getattr(session, "secured", False):
            if super().reply(session, "STARTTLS", b"", b"220 2.0.0 Ready to start TLS").startswith(b"220"):
                self.secure(session)
            return b""
        return super().reply(session, moment, argument, usual)
