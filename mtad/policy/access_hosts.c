/* check_*_{a,mx,ns}_access: access tables by the hosts that the DNS names for a domain, and by their addresses. */
#include "mail/address.h"
#include "net/dns_fact.h"
#include "policy/private.h"

#define HOSTS_MAX	100	/* addresses of one domain's hosts, as Postfix bounds them */

struct hosts {
	const char	*type;		/* "A", "MX", "NS" */
	struct span	 value;		/* the fact; of "A" the name itself */
	unsigned	 left;
	bool		 found;
};

static bool
next_host(struct hosts *h, struct span *name)
{
	struct span line;
	unsigned preference;

	while (span_cut(&h->value, '\n', &line)) {
		if (span_eqs(span_str(h->type), "MX") && dns_fact_mx(line, &preference, name))
			return true;
		*name = line;
		if (line.len > 0)
			return true;
	}
	return false;
}

/* Of one host by name and by its addresses. */
static enum result
judge_addresses(struct check *c, struct hosts *h, struct span host)
{
	static const char *const families[] = { "A", "AAAA" };
	struct span value, line;
	unsigned known = 0;

	for (size_t i = 0; i < 2; i++) {
		enum asked got = ask_host(c, families[i], host, &value);
		if (got == ASKED_PENDING)
			return PENDING;
		while (got == ASKED_FOUND && span_cut(&value, '\n', &line)) {
			if (line.len == 0 || h->left == 0)
				continue;
			h->left--;
			known++;
			enum result r = access_address(c, c->at->table, line, &h->found);
			if (r != DUNNO || h->found)
				return r;
		}
	}
	if (known == 0 && span_eqs(span_str(h->type), "A") == false)
		policy_warn(c, "Unable to look up %s host %.*s for %s %.*s: Host not found", h->type, SPAN_ARG(host), c->class, SPAN_ARG(c->name));
	return DUNNO;
}

static enum result
judge_host(struct check *c, struct hosts *h, struct span host)
{
	enum result r = access_domain(c, c->at->table, host, &h->found);

	return r == DUNNO && !h->found ? judge_addresses(c, h, host) : r;
}

/* The name servers of a domain are often those of one above it. */
static enum asked
ask_servers(struct check *c, struct hosts *h, struct span domain)
{
	enum asked got = ask_dns(c, h->type, domain, &h->value);

	if (got == ASKED_NONE && h->type[0] == 'M') {
		h->value = domain;
		return ASKED_FOUND;
	}
	while (got == ASKED_NONE && h->type[0] == 'N') {
		size_t at = span_find(domain, '.');
		if (at + 1 >= domain.len)
			break;
		domain = span_skip(domain, at + 1);
		got = ask_dns(c, h->type, domain, &h->value);
	}
	return got;
}

static enum result
judge_domain(struct check *c, struct span domain, const char *type)
{
	struct hosts h = { .type = type, .value = domain, .left = HOSTS_MAX };
	enum result r = DUNNO;
	struct span host;

	if (type[0] != 'A') {
		enum asked got = ask_servers(c, &h, domain);
		if (got == ASKED_PENDING)
			return PENDING;
		if (got != ASKED_FOUND) {
			policy_warn(c, "Unable to look up %s host for %.*s: Host not found%s", type, SPAN_ARG(domain), got == ASKED_RETRY ? ", try again" : "");
			return DUNNO;
		}
		if (type[0] == 'M' && dns_fact_null_mx(h.value))
			return DUNNO;
	}
	while (r == DUNNO && !h.found && next_host(&h, &host))
		if (host.len > 0)
			r = judge_host(c, &h, host);
	return r;
}

/* What is no safe reason to let anybody in: whoever has a domain chooses the hosts. */
enum result
not_permit(struct check *c, struct span name, enum result r)
{
	if (r != OK)
		return r;
	policy_warn(c, "restriction %s returns OK for %.*s", c->rule->name, SPAN_ARG(name));
	policy_warn(c, "this is not allowed for security reasons");
	policy_warn(c, "use DUNNO instead of OK if you want to make an exception");
	return refuse_configuration(c);
}

static enum result
by_hosts(struct check *c, struct span name, const char *type, struct span reply_name, const char *class)
{
	struct span domain = name, ip;
	bool v6, found = false;
	size_t at = span_rfind(name, '@');
	const struct restriction *rule = c->rule;

	if (at < name.len)
		domain = span_skip(name, at + 1);
	if (domain.len == 0)
		return DUNNO;
	struct naming was = name_as(c, reply_name, class);
	enum result r = DUNNO;
	if (domain.ptr[0] != '[')
		r = judge_domain(c, domain, type);
	else if (address_literal(domain, &ip, &v6))
		r = access_address(c, c->at->table, ip, &found);
	name_back(c, was);
	c->rule = r == OK ? rule : c->rule;
	return not_permit(c, name, r);
}

static enum result
client(struct check *c, const char *type)
{
	struct span name = c->session->client_name;

	return span_caseeqs(name, "unknown") || name.len == 0 ? DUNNO : by_hosts(c, name, type, buf_view(&c->client), "Client host");
}

static enum result
reverse(struct check *c, const char *type)
{
	struct span name = c->session->reverse_client_name;

	return span_caseeqs(name, "unknown") || name.len == 0 ? DUNNO : by_hosts(c, name, type, name, "Unverified Client host");
}

static enum result
helo(struct check *c, const char *type)
{
	struct span name = c->session->helo;

	return name.len == 0 ? DUNNO : by_hosts(c, name, type, name, "Helo command");
}

static enum result
sender(struct check *c, const char *type)
{
	struct span name = c->session->sender;

	return !c->session->has_sender || name.len == 0 ? DUNNO : by_hosts(c, name, type, name, "Sender address");
}

static enum result
recipient(struct check *c, const char *type)
{
	struct span name = c->session->recipient;

	return !c->session->has_recipient || name.len == 0 ? DUNNO : by_hosts(c, name, type, name, "Recipient address");
}

#define THREE(prefix, by) \
enum result prefix##_a_access(struct check *c, struct span arg) { (void)arg; return by(c, "A"); } \
enum result prefix##_mx_access(struct check *c, struct span arg) { (void)arg; return by(c, "MX"); } \
enum result prefix##_ns_access(struct check *c, struct span arg) { (void)arg; return by(c, "NS"); }

THREE(check_client, client)
THREE(check_reverse_client_hostname, reverse)
THREE(check_helo, helo)
THREE(check_sender, sender)
THREE(check_recipient, recipient)
