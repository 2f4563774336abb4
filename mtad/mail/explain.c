#include "mail/explain.h"

#include <string.h>

/* All that a row names must hold: a text that the outcome's contains (any case), the beginning of its status code, its reply's class. */
struct row {
	const char	*words;
	const char	*dsn;
	char		 reply;		/* '4', '5'; 0: any or none */
	struct explanation says;
};

#define AGAIN	"mtad tries again by itself; flush tries it now"

static const struct row rows[] = {
	{ "Connection refused", NULL, 0, { "refused-connection", "the server refuses connections: nothing listens there now",
	    "find out whether that server is down or moved; " AGAIN } },
	{ "No route to host", NULL, 0, { "no-route", "there is no route to the server",
	    "look at this machine's network and at the server's address; " AGAIN } },
	{ "Network is unreachable", NULL, 0, { "no-route", "this machine has no route to the server's network",
	    "look at this machine's network, or set inet_protocols to what it has; " AGAIN } },
	{ "Connection timed out", NULL, 0, { "connect-timeout", "the server does not answer at all: down, or a firewall between drops packets",
	    "try it by hand from this machine; ask your provider whether port 25 is blocked; " AGAIN } },
	{ "timed out while", NULL, 0, { "peer-timeout", "the server stopped answering in the middle of the dialogue",
	    "it may be overloaded; " AGAIN } },
	{ "lost connection with", NULL, 0, { "lost-connection", "the server hung up in the middle of the dialogue",
	    "it may be overloaded or refuse this content; " AGAIN } },
	{ "loops back to myself", NULL, 0, { "loop", "the mail loops: its next hop is this machine",
	    "let mydestination, relay_domains or transport_maps say what is to happen to the domain, or correct its MX or relayhost" } },
	{ "forwarding loop", NULL, 0, { "loop", "the mail loops: it was delivered to this address before",
	    "look for a forward that leads back here" } },
	{ "too many hops", NULL, 0, { "loop", "the mail loops: it passed more servers than hopcount_limit",
	    "look at its Received: lines with cat, and mend the server that sends it back" } },
	{ "does not accept mail", NULL, 0, { "null-mx", "the domain says in DNS that it takes no mail (null MX)",
	    "the address is wrong; the sender must correct it" } },
	{ "Host not found, try again", NULL, 0, { "dns-trouble", "DNS gives no answer for the domain: its name servers fail, or ours",
	    "ask for the domain's MX by hand, and look at mtad_dns_servers or resolv.conf; " AGAIN } },
	{ "Name service error", "4", 0, { "dns-trouble", "DNS gives no answer for the domain: its name servers fail, or ours",
	    "ask for the domain's MX by hand, and look at mtad_dns_servers or resolv.conf; " AGAIN } },
	{ "not found", "5.4.4", 0, { "no-such-domain", "the domain does not exist in DNS",
	    "the address is wrong; the sender must correct it" } },
	{ "Name service error", "5", 0, { "no-such-domain", "the domain does not exist in DNS, or has no mail server",
	    "the address is wrong; the sender must correct it" } },
	{ "transport", "4.3.5", 0, { "no-transport", "its transport is not in master.cf, or cannot be used here",
	    "correct the transport's name, or its line in master.cf, then reload" } },
	{ "unknown mail transport", NULL, 0, { "no-transport", "its transport is not in master.cf",
	    "add its line to master.cf or correct its name, then reload" } },
	{ "SMTPUTF8 is required", NULL, 0, { "no-smtputf8", "the address needs SMTPUTF8, which the server does not have",
	    "the sender must use an address in ASCII" } },
	{ "TLS is required, but was not offered", NULL, 0, { "no-tls", "mail for this destination must be encrypted, and the server does not offer TLS",
	    "mtactl tls probe shows what it offers; where clear text will do, lower its level in smtp_tls_policy_maps; " AGAIN } },
	{ "refused to start TLS", NULL, 0, { "tls-refused", "the server offers TLS, but refuses it when it is asked for",
	    "its own TLS is broken: tell its postmaster; where clear text will do, lower its level in smtp_tls_policy_maps; " AGAIN } },
	{ "our TLS engine is unavailable", NULL, 0, { "tls-broken-here", "this machine's own certificate, key or authorities cannot be used, so there is no TLS",
	    "the log names the file: mend it or what names it (smtp_tls_CAfile, smtp_tls_cert_file ...); it is taken without a reload" } },
	{ "Server certificate not", NULL, 0, { "tls-certificate", "the server's certificate is not what the level of TLS demands",
	    "mtactl tls probe shows it all; if the server is the right one, its postmaster must renew it or the TLSA record, or correct match= in smtp_tls_policy_maps; " AGAIN } },
	{ "Cannot start TLS", NULL, 0, { "tls-handshake", "the TLS handshake failed: no version or cipher in common, or something between meddles",
	    "mtactl tls probe shows where it fails; look at smtp_tls_protocols and smtp_tls_ciphers and their mandatory forms; at the level may, older mail goes on in clear text" } },
	{ "TLSA lookup error", NULL, 0, { "dane-lookup", "DNS gives no valid answer for the server's TLSA records, so it cannot be checked",
	    "its zone's signatures may be wrong: tell its postmaster, or look at this machine's resolver; " AGAIN } },
	{ "TLSA records", NULL, 0, { "no-dane", "the level is dane-only, and the server has no TLSA records that can be used",
	    "mtactl tls probe shows its records; use the level dane, or another one, for it in smtp_tls_policy_maps" } },
	{ "non DNSSEC destination", NULL, 0, { "no-dane", "the level is dane-only, and the domain's MX record is not signed",
	    "use the level dane, or another one, for it in smtp_tls_policy_maps" } },
	{ "client TLS configuration problem", NULL, 0, { "tls-configuration", "the TLS policy for this destination is wrong or cannot be followed here",
	    "the log says what is wrong with it (smtp_tls_policy_maps, smtp_tls_security_level); mend it, then reload" } },
	{ "message size", NULL, 0, { "too-large", "the message is larger than the server takes", "the sender must send less, or another way" } },
	{ "message file damaged", NULL, 0, { "damaged", "the message is damaged on this machine's disk",
	    "mtactl spool check says where; look at the disk" } },
	{ "greylist", NULL, '4', { "greylisted", "the server greylists: it wants the mail offered again after a while",
	    "nothing need be done; " AGAIN } },
	{ "grey list", NULL, '4', { "greylisted", "the server greylists: it wants the mail offered again after a while",
	    "nothing need be done; " AGAIN } },
	{ NULL, "4.2.2", 0, { "mailbox-full", "the recipient's mailbox is full", "the recipient must make room; " AGAIN } },
	{ NULL, "5.2.2", 0, { "mailbox-full", "the recipient's mailbox is full", "the recipient must make room; then the sender sends again" } },
	{ "over quota", NULL, 0, { "mailbox-full", "the recipient's mailbox is full", "the recipient must make room" } },
	{ "mailbox full", NULL, 0, { "mailbox-full", "the recipient's mailbox is full", "the recipient must make room" } },
	{ "No space left", NULL, 0, { "disk-full", "the disk is full", "make room on that disk; " AGAIN } },
	{ "unknown user", NULL, 0, { "no-such-user", "there is no such user here", "the address is wrong; the sender must correct it" } },
	{ "user unknown", NULL, 0, { "no-such-user", "the server does not know the recipient",
	    "the address is wrong; the sender must correct it" } },
	{ NULL, "5.1.1", 0, { "no-such-user", "the server does not know the recipient", "the address is wrong; the sender must correct it" } },
	{ "relay access denied", NULL, 0, { "relay-denied", "the server does not take mail for that domain from us",
	    "the domain's MX, or our relayhost or transport for it, points to a server that is not responsible" } },
	{ "relaying denied", NULL, 0, { "relay-denied", "the server does not take mail for that domain from us",
	    "the domain's MX, or our relayhost or transport for it, points to a server that is not responsible" } },
	{ "rate limit", NULL, '4', { "rate-limited", "the server takes no more mail from us for now (rate limit)",
	    "lower the transport's destination_concurrency_limit or set a destination_rate_delay; " AGAIN } },
	{ "too many", NULL, '4', { "rate-limited", "the server takes no more mail or connections from us for now",
	    "lower the transport's destination_concurrency_limit or set a destination_rate_delay; " AGAIN } },
	{ "too much mail", NULL, '4', { "rate-limited", "the server takes no more mail from us for now",
	    "lower the transport's destination_concurrency_limit or set a destination_rate_delay; " AGAIN } },
	{ NULL, "5.7", '5', { "policy", "the server refuses it by its policy", "read its words; it may block this machine's address or this content" } },
	{ NULL, "4.7", '4', { "policy", "the server refuses it for now by its policy",
	    "read its words: it may doubt this machine's address, or greylist; " AGAIN } },
	{ NULL, NULL, '4', { "refused-for-now", "the server refused it for now", "read its words; " AGAIN } },
	{ NULL, NULL, '5', { "refused", "the server refused it for good", "read its words; the sender was or will be told" } },
	{ NULL, "5", 0, { "failed", "the delivery failed for good", "the sender was or will be told" } },
};

static const struct explanation other = { "failed-for-now", "the last attempt failed", AGAIN };

static bool
contains(struct span text, const char *words)
{
	size_t n = strlen(words);

	for (; text.len >= n; text = span_skip(text, 1))
		if (span_casestarts(text, words))
			return true;
	return false;
}

/* The class of what the server said; a failure of our own has none. */
static char
reply_class(const struct outcome *o)
{
	return o->reply >= 500 ? '5' : o->reply >= 400 ? '4' : 0;
}

const struct explanation *
explain(const struct outcome *o)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *r = &rows[i];
		if ((r->words == NULL || contains(o->text, r->words)) && (r->dsn == NULL || span_starts(o->dsn, r->dsn)) &&
		    (r->reply == 0 || r->reply == reply_class(o)))
			return &r->says;
	}
	return &other;
}
