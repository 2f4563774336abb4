/* transport(5): user+ext@domain, user@domain, domain, .parent, ... , "*"; and the tables that are asked for the sender. */
#include <string.h>

#include "mail/address.h"
#include "route/private.h"

static enum table_result
lookup_address(const struct router *r, struct facts *facts, struct span address, struct buf *value, struct err *err)
{
	struct span local, domain, user, ext;
	struct work short_form;

	enum table_result found = tables_get(&r->transport_maps, facts, address, value, err);
	if (found != TABLE_ABSENT || !address_split(address, &local, &domain) ||
	    !address_extension(local, r->delimiters, &user, &ext))
		return found;
	work_set(&short_form, user);
	work_put(&short_form, SPAN("@"));
	work_put(&short_form, domain);
	return tables_get_part(&r->transport_maps, facts, work_view(&short_form), value, err);
}

static enum table_result
lookup_domain(const struct router *r, struct facts *facts, struct span domain, struct buf *value, struct err *err)
{
	enum table_result found = tables_get_part(&r->transport_maps, facts, domain, value, err);

	for (size_t at = 1; found == TABLE_ABSENT && at < domain.len; at++)
		if (domain.ptr[at] == '.' && at + 1 < domain.len)
			found = tables_get_part(&r->transport_maps, facts,
			    span_skip(domain, r->transport_parents ? at + 1 : at), value, err);
	return found;
}

enum table_result
transport_lookup(const struct router *r, struct facts *facts, struct span address, struct span domain, struct buf *value,
    struct err *err)
{
	enum table_result found = lookup_address(r, facts, address, value, err);

	if (found == TABLE_ABSENT)
		found = lookup_domain(r, facts, domain, value, err);
	if (found == TABLE_ABSENT)
		found = tables_get_part(&r->transport_maps, facts, SPAN("*"), value, err);
	return found;
}

/* Tables have addresses as they are written, with quotes; one without them is found as well. */
static enum table_result
find_quoted(const struct tables *tables, struct facts *facts, struct span address, const char *delimiters, bool local,
    struct buf *value, struct span *ext, struct err *err)
{
	struct buf quoted = BUF_INIT(0);
	enum table_result found = TABLE_ABSENT;

	address_quote(&quoted, address);
	if (!span_eq(buf_view(&quoted), address)) {
		found = tables_find_address(tables, facts, buf_view(&quoted), delimiters, local, value, ext, err);
		*ext = SPAN_NONE;	/* it points into the quoted form */
	}
	buf_clear(&quoted);
	return found != TABLE_ABSENT ? found :
	    tables_find_address(tables, facts, address, delimiters, local, value, ext, err);
}

enum table_result
router_find_address(const struct router *r, const struct tables *tables, struct facts *facts, struct span address,
    struct buf *value, struct span *ext, struct err *err)
{
	struct span name, domain;
	bool local = false;

	*ext = SPAN_NONE;
	if (tables->count == 0)
		return TABLE_ABSENT;
	if (address_split(address, &name, &domain) && !(local = span_caseeq(domain, r->myorigin) || is_own_literal(r, domain))) {
		switch (match_list_name(r->local, facts, domain, err)) {
		case MATCH_YES:
			local = true;
			break;
		case MATCH_NO:
			break;
		case MATCH_PENDING:
			return TABLE_PENDING;
		case MATCH_FAILED:
			return TABLE_FAILED;
		}
	}
	return find_quoted(tables, facts, address, r->delimiters, local, value, ext, err);
}

enum table_result
sender_lookup(const struct router *r, const struct tables *tables, struct facts *facts, struct span sender,
    struct span null_key, struct buf *value, struct err *err)
{
	size_t before = value->len;
	struct span ext;

	enum table_result found = router_find_address(r, tables, facts, sender.len == 0 ? null_key : sender, value, &ext, err);
	if (found == TABLE_FOUND && span_caseeqs(span_skip(buf_view(value), before), "DUNNO")) {
		buf_cut(value, before);
		return TABLE_ABSENT;
	}
	return found;
}
