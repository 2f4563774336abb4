"""Parameters that decide where mail goes, as "mtactl route" tells (the daemon's own functions), and what the programs without a daemon do."""
from effects import Routes, route, row, tool

MAIN = {"relay_domains": "relay.test", "virtual_mailbox_domains": "vmail.test", "virtual_alias_domains": "valias.test"}


def hop(name, a, b, address, want_a, want_b, sender=None, **also):
    """Expressions of the transport and next hop."""
    return row(name, a, b, route(address, sender), want_a, want_b, **also)


OUT = "r@dest.test"
BY_SENDER = "inline:{{s@src.test=[by.sender]}}"
ROWS = [
    hop("default_transport", None, "smtp:elsewhere", OUT, "next hop dest.test", "next hop elsewhere"),
    hop("relayhost", None, "[gw.test]", OUT, "next hop dest.test", r"next hop \[gw.test\]"),
    hop("relay_transport", None, "smtp:inner", "r@relay.test", "transport relay,", "transport smtp, next hop inner"),
    hop("local_transport", None, "smtp:boxes", "r@site.test", "transport local,", "transport smtp, next hop boxes"),
    hop("virtual_transport", None, "smtp:vboxes", "r@vmail.test", "transport virtual,", "transport smtp, next hop vboxes"),
    hop("mydestination", None, "dest.test", OUT, "class default", "class local"),
    hop("relay_domains", None, "dest.test", OUT, "class default", "class relay"),
    hop("virtual_mailbox_domains", None, "dest.test", OUT, "class default", "class virtual mailbox"),
    hop("virtual_alias_domains", None, "dest.test", OUT, "class default", "class virtual alias"),
    hop("transport_maps", None, "inline:{dest.test=smtp:mapped}", OUT, "next hop dest.test", "next hop mapped"),
    hop("parent_domain_matches_subdomains", None, "", "r@sub.relay.test", "class relay", "class default"),
    hop("sender_dependent_relayhost_maps", None, BY_SENDER, OUT, "next hop dest.test", r"next hop \[by.sender\]", sender="s@src.test"),
    hop("sender_dependent_default_transport_maps", None, "inline:{s@src.test=smtp:by}", OUT, "next hop dest.test", "next hop by", sender="s@src.test"),
    hop("empty_address_relayhost_maps_lookup_key", None, "s@src.test", OUT, "next hop dest.test", r"next hop \[by.sender\]", sender="", sender_dependent_relayhost_maps=BY_SENDER),
    hop("empty_address_default_transport_maps_lookup_key", None, "s@src.test", OUT, "next hop dest.test", "next hop by", sender="",
        sender_dependent_default_transport_maps="inline:{s@src.test=smtp:by}"),
    hop("relocated_maps", None, "inline:{r@dest.test=new@there.test}", OUT, "transport smtp", "5.1.6 .*moved to new@there.test|User has moved"),
    hop("relocated_prefix_enable", None, "no", OUT, "User has moved to x", r"next hop +x y z", relocated_maps="inline:{{r@dest.test=x y z}}"),
    hop("append_at_myorigin", None, "no", "bob", "recipient  bob@site.test", r"recipient  bob\n"),
    hop("append_dot_mydomain", "no", "yes", "bob@short", "next hop short$", "bob@short.site.test"),
    hop("myorigin", None, "origin.test", "bob", "bob@site.test", "bob@origin.test"),
    hop("mydomain", None, "domain.test", "bob@short", "bob@short.site.test", "bob@short.domain.test", append_dot_mydomain="yes"),
    hop("allow_percent_hack", None, "no", "a%dest.test@site.test", "a@dest.test", "class local"),
    hop("allow_min_user", None, "yes", "-a@dest.test", "5.1.3 bad address", "transport smtp, next hop dest.test"),
    hop("swap_bangpath", None, "no", "dest.test!bob", "bob@dest.test", "dest.test!bob@site.test"),
    hop("resolve_dequoted_address", None, "no", '"a@dest.test"@site.test', "dest.test, |class default", "class local"),
    hop("resolve_null_domain", None, "yes", "bob@", "(?s)^(?!.*class local)", "class local"),
    hop("resolve_numeric_domain", None, "yes", "bob@1.2.3.4", "5.1.3|bad address", r"next hop \[1.2.3.4\]"),
    hop("empty_address_recipient", None, "nobody", "", "MAILER-DAEMON@mail.site.test", "nobody@mail.site.test"),
    hop("proxy_interfaces", None, "192.0.2.9", "bob@[192.0.2.9]", "class default", "class local"),
    hop("inet_interfaces", None, "192.0.2.9, 127.0.0.1", "bob@[192.0.2.9]", "class default", "class local"),
    hop("recipient_delimiter", None, "+", "bob+x@dest.test", "next hop dest.test", "next hop mapped", transport_maps="inline:{bob@dest.test=smtp:mapped}"),
    hop("myhostname", None, "dest.test", OUT, "class default", "class local", mydestination="$myhostname"),
    row("default_database_type", None, "texthash", tool("-c", "FOLDER", "-q", "mx.good.test.", "FOLDER/zone", link="postmap"), "query error: open database", "^A 127.0.0.2"),
    row("mynetworks_style", "host", "subnet", tool("config", "get", "-h", "mynetworks"), r" [0-9.]+/32\b", r"^(?!.* [0-9.]+/32\b)", mynetworks="DEFAULT", inet_interfaces="all"),
    row("compatibility_level", "0", "3.7", tool("config", "get", "-x", "-h", "append_dot_mydomain"), "yes", "no"),
    row("smtpd_restriction_classes", "picky", "other", tool("config", "check"), r"(?s)^(?!.*no restriction)", '"picky" is no restriction', smtpd_recipient_restrictions="picky", picky="reject",
        other="permit"),
    row("stress", None, "yes", tool("config", "get", "-x", "-h", "smtpd_timeout"), "300s", "10s"),
    row("fallback_relay", None, "[back.test]", tool("config", "get", "-x", "-h", "smtp_fallback_relay"), r"^\s*$", r"\[back.test\]"),
]


def world(folder):
    return Routes(folder, ROWS, MAIN)
