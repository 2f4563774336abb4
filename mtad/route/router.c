#include <stdlib.h>

#include "base/mem.h"
#include "route/private.h"

#define SEPS	"\t\r\n ,"

struct destination
destination_of(const char *value)
{
	struct span all = span_trim(span_str(value));
	size_t colon = span_find(all, ':');
	return (struct destination){ span_head(all, colon), span_skip(all, colon + 1) };
}

const char *
route_class_name(enum route_class c)
{
	static const char *const names[] = { "local", "virtual alias", "virtual mailbox", "relay", "default" };
	return names[c];
}

static bool
fail(const char *name, struct err *err)
{
	err_prefix(err, "%s", name);
	return false;
}

static bool
open_list(struct router *r, enum param p, enum match_kind kind, struct match_list **list, struct err *err)
{
	const char *name = param_row(p)->name;
	*list = match_list_new(r->conf, name, conf_str(r->view, p), kind, err);
	return *list != NULL || fail(name, err);
}

/* The addresses in a list; words that are none (names) are passed over. */
static void
add_own(struct router *r, const char *list)
{
	struct span rest = span_str(list), word;

	while (span_word(&rest, SEPS, &word)) {
		struct ip ip;
		if (word.ptr[0] == '[' && span_ends(word, "]"))
			word = span_of(word.ptr + 1, word.len - 2);
		if (!ip_parse(word, &ip))
			continue;
		r->own = mem_grow(r->own, r->own_count + 1, sizeof *r->own);
		r->own[r->own_count++] = ip;
	}
}

static bool
in_parent_list(const struct view *v, const char *name)
{
	struct span rest = span_str(conf_str(v, P_parent_domain_matches_subdomains)), word;
	while (span_word(&rest, SEPS, &word))
		if (span_eqs(word, name))
			return true;
	return false;
}

/* The parameters that probes of addresses have of their own. */
struct choices {
	enum param	 local, virtual, relay, other, relayhost, transport_maps, sender_relayhost, sender_transport;
};

static const struct choices usual = { P_local_transport, P_virtual_transport, P_relay_transport, P_default_transport, P_relayhost,
	P_transport_maps, P_sender_dependent_relayhost_maps, P_sender_dependent_default_transport_maps };
static const struct choices probing = { P_address_verify_local_transport, P_address_verify_virtual_transport,
	P_address_verify_relay_transport, P_address_verify_default_transport, P_address_verify_relayhost, P_address_verify_transport_maps,
	P_address_verify_sender_dependent_relayhost_maps, P_address_verify_sender_dependent_default_transport_maps };

static void
take_values(struct router *r, const struct choices *c)
{
	const struct view *v = r->view;

	r->local_to = destination_of(conf_str(v, c->local));
	r->virtual_to = destination_of(conf_str(v, c->virtual));
	r->relay_to = destination_of(conf_str(v, c->relay));
	r->default_to = destination_of(conf_str(v, c->other));
	r->relayhost = span_str(conf_str(v, c->relayhost));
	r->myhostname = span_str(conf_str(v, P_myhostname));
	r->myorigin = span_str(conf_str(v, P_myorigin));
	r->mydomain = span_str(conf_str(v, P_mydomain));
	r->empty_recipient = span_str(conf_str(v, P_empty_address_recipient));
	r->null_relayhost_key = span_str(conf_str(v, P_empty_address_relayhost_maps_lookup_key));
	r->null_transport_key = span_str(conf_str(v, P_empty_address_default_transport_maps_lookup_key));
	r->delimiters = conf_str(v, P_recipient_delimiter);
	r->swap_bangpath = conf_bool(v, P_swap_bangpath);
	r->percent_hack = conf_bool(v, P_allow_percent_hack);
	r->hyphen_first = conf_bool(v, P_allow_min_user);
	r->append_origin = conf_bool(v, P_append_at_myorigin);
	r->append_domain = conf_bool(v, P_append_dot_mydomain);
	r->null_domain = conf_bool(v, P_resolve_null_domain);
	r->numeric_domain = conf_bool(v, P_resolve_numeric_domain);
	r->show_table = conf_bool(v, P_show_user_unknown_table_name);
	r->relocated_prefix = conf_bool(v, P_relocated_prefix_enable);
	r->dequoted = conf_bool(v, P_resolve_dequoted_address);
	r->transport_parents = in_parent_list(v, "transport_maps");
}

static bool
open_tables(struct router *r, enum param p, struct tables *tables, struct err *err)
{
	return tables_open(tables, r->conf, conf_str(r->view, p), err) || fail(param_row(p)->name, err);
}

static bool
open_all(struct router *r, const struct choices *c, struct err *err)
{
	return open_list(r, P_mydestination, MATCH_STRING, &r->local, err) &&
	    open_list(r, P_virtual_alias_domains, MATCH_STRING, &r->virtual_alias, err) &&
	    open_list(r, P_virtual_mailbox_domains, MATCH_STRING, &r->virtual_mailbox, err) &&
	    open_list(r, P_relay_domains, MATCH_DOMAIN, &r->relay, err) &&
	    open_tables(r, c->transport_maps, &r->transport_maps, err) &&
	    open_tables(r, P_relocated_maps, &r->relocated_maps, err) &&
	    open_tables(r, c->sender_relayhost, &r->sender_relayhost, err) &&
	    open_tables(r, c->sender_transport, &r->sender_transport, err);
}

static struct router *
make(struct conf *conf, const struct choices *choices, struct err *err)
{
	struct router *r;

	MEM_NEW(r);
	r->conf = conf_ref(conf);
	r->view = conf_program(conf, "trivial-rewrite");
	take_values(r, choices);
	add_own(r, conf_addresses(conf));
	add_own(r, conf_str(r->view, P_proxy_interfaces));
	if (open_all(r, choices, err))
		return r;
	router_free(r);
	return NULL;
}

struct router *
router_new(struct conf *conf, struct err *err)
{
	return make(conf, &usual, err);
}

struct router *
router_new_probing(struct conf *conf, struct err *err)
{
	return make(conf, &probing, err);
}

void
router_free(struct router *r)
{
	if (r == NULL)
		return;
	match_list_free(r->local);
	match_list_free(r->virtual_alias);
	match_list_free(r->virtual_mailbox);
	match_list_free(r->relay);
	tables_clear(&r->transport_maps);
	tables_clear(&r->relocated_maps);
	tables_clear(&r->sender_relayhost);
	tables_clear(&r->sender_transport);
	free(r->own);
	conf_unref(r->conf);
	free(r);
}

const struct view *
router_view(const struct router *r)
{
	return r->view;
}
