#include "route/mapping.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/address.h"
#include "route/private.h"

#define SEPS		"\t\r\n ,"
#define NESTING		1000	/* of canonical maps */
#define RESULTS		10000	/* addresses in one value */

/* A table with who is subject to it: a bit a class. */
struct canonical {
	struct tables	 tables;
	unsigned	 classes;
	const char	*name;
};

struct mapper {
	struct conf	*conf;
	const struct router *router;
	struct canonical canonical[3];	/* by sender, by recipient, of both */
	struct tables	 virtual, sender_bcc, recipient_bcc;
	struct buf	 always_bcc;
	unsigned	 masquerade;	/* classes */
	struct span	 masquerade_domains, masquerade_exceptions;
	bool		 propagate_canonical, propagate_virtual;
	size_t		 recursion_limit, expansion_limit, length_limit;
};

/* -- the configuration -- */

static unsigned
classes(const struct view *v, enum param p)
{
	static const char *const names[] = { "envelope_sender", "envelope_recipient", "header_sender", "header_recipient" };
	struct span rest = span_str(conf_str(v, p)), word;
	unsigned set = 0;

	while (span_word(&rest, SEPS, &word))
		for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
			if (span_caseeqs(word, names[i]))
				set |= 1u << i;
	return set;
}

static bool
has_name(struct span list, struct span name)
{
	struct span word;

	while (span_word(&list, SEPS, &word))
		if (span_caseeq(word, name))
			return true;
	return false;
}

static bool
open_tables(struct mapper *m, const struct view *v, enum param p, struct tables *t, struct err *err)
{
	if (tables_open(t, m->conf, conf_str(v, p), err))
		return true;
	err_prefix(err, "%s", param_row(p)->name);
	return false;
}

static bool
open_canonical(struct mapper *m, const struct view *v, unsigned i, enum param maps, enum param who, struct err *err)
{
	m->canonical[i].classes = classes(v, who);
	m->canonical[i].name = param_row(maps)->name;
	return open_tables(m, v, maps, &m->canonical[i].tables, err);
}

struct mapper *
mapper_new(struct conf *conf, const struct view *v, const struct router *router, struct err *err)
{
	struct mapper *m;
	struct span propagate = span_str(conf_str(v, P_propagate_unmatched_extensions));

	MEM_NEW(m);
	m->conf = conf_ref(conf);
	m->router = router;
	m->always_bcc = BUF_INIT(0);
	if (*conf_str(v, P_always_bcc) != '\0')
		route_rewrite(router, span_str(conf_str(v, P_always_bcc)), true, &m->always_bcc);
	m->masquerade_domains = span_str(conf_str(v, P_masquerade_domains));
	m->masquerade_exceptions = span_str(conf_str(v, P_masquerade_exceptions));
	m->masquerade = span_trim(m->masquerade_domains).len > 0 ? classes(v, P_masquerade_classes) : 0;
	m->propagate_canonical = has_name(propagate, SPAN("canonical"));
	m->propagate_virtual = has_name(propagate, SPAN("virtual"));
	m->recursion_limit = (size_t)conf_int(v, P_virtual_alias_recursion_limit);
	m->expansion_limit = (size_t)conf_int(v, P_virtual_alias_expansion_limit);
	m->length_limit = (size_t)conf_int(v, P_virtual_alias_address_length_limit);
	if (open_canonical(m, v, 0, P_sender_canonical_maps, P_sender_canonical_classes, err) &&
	    open_canonical(m, v, 1, P_recipient_canonical_maps, P_recipient_canonical_classes, err) &&
	    open_canonical(m, v, 2, P_canonical_maps, P_canonical_classes, err) &&
	    open_tables(m, v, P_virtual_alias_maps, &m->virtual, err) &&
	    open_tables(m, v, P_sender_bcc_maps, &m->sender_bcc, err) &&
	    open_tables(m, v, P_recipient_bcc_maps, &m->recipient_bcc, err))
		return m;
	mapper_free(m);
	return NULL;
}

void
mapper_free(struct mapper *m)
{
	if (m == NULL)
		return;
	for (unsigned i = 0; i < 3; i++)
		tables_clear(&m->canonical[i].tables);
	tables_clear(&m->virtual);
	tables_clear(&m->sender_bcc);
	tables_clear(&m->recipient_bcc);
	buf_clear(&m->always_bcc);
	conf_unref(m->conf);
	free(m);
}

bool
mapper_concerns(const struct mapper *m, enum map_class c)
{
	unsigned set = m->masquerade;

	for (unsigned i = 0; i < 3; i++)
		if (m->canonical[i].tables.count > 0)
			set |= m->canonical[i].classes;
	return (set >> c & 1) != 0;
}

bool
mapper_expands(const struct mapper *m)
{
	return mapper_concerns(m, MAP_ENVELOPE_RECIPIENT) || mapper_concerns(m, MAP_ENVELOPE_SENDER) || m->virtual.count > 0 ||
	    m->sender_bcc.count > 0 || m->recipient_bcc.count > 0 || m->always_bcc.len > 0;
}

struct span
mapper_always_bcc(const struct mapper *m)
{
	return buf_view(&m->always_bcc);
}

/* -- one lookup -- */

bool
map_list_next(struct span *rest, struct span *address)
{
	return rest->len > 0 && span_cut(rest, '\0', address);
}

void
map_list_clear(struct map_list *l)
{
	buf_clear(&l->text);
	l->count = 0;
}

static void
list_add(struct map_list *l, struct span address)
{
	buf_span(&l->text, address);
	buf_char(&l->text, '\0');
	l->count++;
}

/* The address with its extension (none where ext is empty: "+" goes with it) put behind the local part. */
static void
with_extension(struct work *w, struct span address, struct span ext)
{
	struct span local, domain;
	bool whole = address_split(address, &local, &domain);

	work_set(w, local);
	work_put(w, ext);
	if (whole) {
		work_put(w, SPAN("@"));
		work_put(w, domain);
	}
}

/* A table's value as addresses in standard form: "@domain" stands for the same user there, without the extension that is not carried over. */
static bool
take_results(const struct router *router, struct span value, struct span address, struct span ext, bool propagate, struct map_list *out)
{
	struct mailbox_list list = { .left = value };
	struct buf spec = BUF_INIT(4096), whole = BUF_INIT(4096);
	struct mailbox box;
	struct work w;
	struct span same = span_starts(value, "@") ? address_local(address) : SPAN_NONE;

	if (same.len > 0) {
		work_set(&w, propagate || ext.len > same.len ? same : span_head(same, same.len - ext.len));
		work_put(&w, value);
		route_rewrite(router, work_view(&w), true, &whole);
		list_add(out, buf_view(&whole));
	} else {
		while (out->count < RESULTS && mailbox_next(&list, &box)) {
			buf_reset(&spec);
			buf_reset(&whole);
			if (!mailbox_address(box.spec, &spec))
				continue;
			route_rewrite(router, buf_view(&spec), true, &whole);
			with_extension(&w, buf_view(&whole), propagate ? ext : SPAN_NONE);
			list_add(out, work_view(&w));
		}
	}
	bool good = !spec.over && !whole.over && out->count > 0;
	buf_clear(&spec);
	buf_clear(&whole);
	return good;
}

enum map_status
map_lookup(const struct router *router, struct facts *facts, const struct tables *t, const char *name, bool propagate,
    struct span address, struct map_list *out, struct err *err)
{
	struct buf value = BUF_INIT((size_t)1 << 20);
	struct span ext = SPAN_NONE;
	enum map_status status = MAP_DONE;

	out->count = 0;
	buf_reset(&out->text);
	switch (router_find_address(router, t, facts, address, &value, &ext, err)) {
	case TABLE_ABSENT:
		break;
	case TABLE_PENDING:
		status = MAP_PENDING;
		break;
	case TABLE_FAILED:
		err_prefix(err, "%s", name);
		status = MAP_FAULT;
		break;
	case TABLE_FOUND:
		if (!take_results(router, buf_view(&value), address, ext, propagate, out)) {
			err_set(err, ERR_PERM, "%s: \"%.*s\" for %.*s is no address", name,
			    SPAN_ARG(span_head(buf_view(&value), 100)), SPAN_ARG(span_head(address, 100)));
			status = MAP_FAULT;
		}
		break;
	}
	buf_clear(&value);
	return status;
}

/* -- canonical -- */

/* One map, applied until it changes nothing more. */
static enum map_status
map_one(const struct mapper *m, struct facts *facts, const struct canonical *c, struct buf *address, struct err *err)
{
	struct map_list found = { .text = BUF_INIT((size_t)1 << 20) };
	enum map_status status = MAP_DONE;
	bool more = true;

	for (int n = 0; more && status == MAP_DONE; n++) {
		if (n == NESTING) {
			err_set(err, ERR_PERM, "%s: unreasonable nesting for %.*s", c->name,
			    SPAN_ARG(span_head(buf_view(address), 100)));
			status = MAP_FAULT;
			break;
		}
		status = map_lookup(m->router, facts, &c->tables, c->name, m->propagate_canonical, buf_view(address), &found, err);
		more = status == MAP_DONE && found.count > 0;
		if (!more)
			break;
		struct span first = SPAN_NONE, rest = buf_view(&found.text);
		(void)map_list_next(&rest, &first);
		more = !span_caseeq(first, buf_view(address));
		buf_reset(address);
		buf_span(address, first);
	}
	map_list_clear(&found);
	return status;
}

/* user@any.example.com as user@example.com, by the first domain that is met. */
static void
masquerade(const struct mapper *m, struct buf *address)
{
	struct span local, domain, rest = m->masquerade_domains, word;

	if (!address_split(buf_view(address), &local, &domain) || has_name(m->masquerade_exceptions, local))
		return;
	while (span_word(&rest, SEPS, &word)) {
		bool strip = true;
		for (; span_starts(word, "!"); word = span_skip(word, 1))
			strip = !strip;
		if (domain.len < word.len || word.len == 0)
			continue;
		size_t at = domain.len - word.len;
		if (!span_caseeq(span_skip(domain, at), word) || (at > 0 && domain.ptr[at - 1] != '.'))
			continue;
		if (strip && at > 0) {
			struct work w;
			work_set(&w, local);
			work_put(&w, SPAN("@"));
			work_put(&w, word);
			buf_reset(address);
			buf_span(address, work_view(&w));
		}
		return;
	}
}

enum map_status
mapper_canonical(const struct mapper *m, struct facts *facts, enum map_class class, struct span address, struct buf *out,
    struct err *err)
{
	buf_reset(out);
	buf_span(out, address);
	for (unsigned i = 0; i < 3; i++) {
		const struct canonical *c = &m->canonical[i];
		if (c->tables.count == 0 || !(c->classes >> class & 1) || address.len == 0)
			continue;
		enum map_status status = map_one(m, facts, c, out, err);
		if (status != MAP_DONE)
			return status;
	}
	if (m->masquerade >> class & 1)
		masquerade(m, out);
	return MAP_DONE;
}

/* -- virtual -- */

struct frontier {
	char		**items;	/* the addresses; those before `at` are finished */
	size_t		 count;
	struct map_list	 self;		/* these expanded to themselves: not again */
	struct map_list	 found;
};

static char *
keep(struct span s)
{
	char *copy = mem_array(s.len + 1, 1);
	memcpy(copy, s.ptr, s.len);
	return copy;
}

static void
frontier_add(struct frontier *f, struct span address)
{
	f->items = mem_grow(f->items, f->count + 1, sizeof *f->items);
	f->items[f->count++] = keep(address);
}

static void
frontier_clear(struct frontier *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->items[i]);
	free(f->items);
	map_list_clear(&f->self);
	map_list_clear(&f->found);
}

static bool
is_self(const struct frontier *f, struct span address)
{
	struct span rest = buf_view(&f->self.text), each;

	while (map_list_next(&rest, &each))
		if (span_caseeq(each, address))
			return true;
	return false;
}

/* The first result takes the address's place, the others go to the end. False where one is too long. */
static bool
replace(const struct mapper *m, struct frontier *f, size_t i, struct err *err)
{
	struct span old = span_str(f->items[i]), rest = buf_view(&f->found.text), each;
	char *first = NULL;

	while (map_list_next(&rest, &each)) {
		if (each.len > m->length_limit) {
			err_set(err, ERR_PERM, "virtual_alias_maps: unreasonable result \"%.*s...\" for %.*s",
			    SPAN_ARG(span_head(each, 60)), SPAN_ARG(span_head(old, 100)));
			free(first);
			return false;
		}
		if (span_caseeq(each, old))
			list_add(&f->self, old);
		if (first == NULL)
			first = keep(each);
		else
			frontier_add(f, each);
	}
	free(f->items[i]);
	f->items[i] = first;
	return true;
}

/* One address until nothing more is said of it. */
static enum map_status
expand_one(const struct mapper *m, struct facts *facts, struct frontier *f, size_t i, struct err *err)
{
	for (size_t n = 0; !is_self(f, span_str(f->items[i])); n++) {
		if (n >= m->recursion_limit) {
			err_set(err, ERR_PERM, "virtual_alias_maps: unreasonable nesting at %.100s", f->items[i]);
			return MAP_FAULT;
		}
		enum map_status status = map_lookup(m->router, facts, &m->virtual, "virtual_alias_maps", m->propagate_virtual,
		    span_str(f->items[i]), &f->found, err);
		if (status != MAP_DONE)
			return status;
		if (f->found.count == 0)
			break;
		if (!replace(m, f, i, err))
			return MAP_FAULT;
	}
	return MAP_DONE;
}

enum map_status
mapper_virtual(const struct mapper *m, struct facts *facts, struct span address, struct map_list *out, struct err *err)
{
	struct frontier f = { .self.text = BUF_INIT((size_t)4 << 20), .found.text = BUF_INIT((size_t)4 << 20) };
	enum map_status status = MAP_DONE, one;

	out->count = 0;
	buf_reset(&out->text);
	if (m->virtual.count == 0 || address.len == 0) {
		list_add(out, address);
		return MAP_DONE;
	}
	frontier_add(&f, address);
	/* Past an address that waits, so that what is known of the others is asked for with it. */
	for (size_t i = 0; i < f.count && status != MAP_FAULT; i++) {
		if (f.count > m->expansion_limit) {
			err_set(err, ERR_PERM, "virtual_alias_maps: unreasonable expansion size for %.*s",
			    SPAN_ARG(span_head(address, 100)));
			status = MAP_FAULT;
		} else if ((one = expand_one(m, facts, &f, i, err)) != MAP_DONE) {
			status = one;
		}
	}
	for (size_t i = 0; i < f.count && status == MAP_DONE; i++)
		list_add(out, span_str(f.items[i]));
	frontier_clear(&f);
	return status;
}

/* -- copies -- */

enum map_status
mapper_bcc(const struct mapper *m, struct facts *facts, bool sender, struct span address, struct buf *out, struct err *err)
{
	struct map_list found = { .text = BUF_INIT((size_t)1 << 20) };
	const struct tables *t = sender ? &m->sender_bcc : &m->recipient_bcc;
	struct span rest, first;

	if (t->count == 0 || address.len == 0)
		return MAP_DONE;
	enum map_status status = map_lookup(m->router, facts, t, sender ? "sender_bcc_maps" : "recipient_bcc_maps", false, address, &found,
	    err);
	rest = buf_view(&found.text);
	if (status == MAP_DONE && map_list_next(&rest, &first))
		buf_span(out, first);
	map_list_clear(&found);
	return status;
}
