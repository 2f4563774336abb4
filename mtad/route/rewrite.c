#include <string.h>

#include "mail/address.h"
#include "route/private.h"

void
work_put(struct work *w, struct span s)
{
	if (s.len > sizeof w->text - w->len) {
		w->over = true;
		return;
	}
	if (s.len > 0)
		memmove(w->text + w->len, s.ptr, s.len);
	w->len += s.len;
}

void
work_set(struct work *w, struct span s)
{
	w->len = 0;
	w->over = false;
	work_put(w, s);
}

struct span
work_view(const struct work *w)
{
	return span_of(w->text, w->len);
}

/* site!user becomes user@site, where there is no domain yet. */
static void
swap_bang(struct work *w)
{
	struct work old = *w;
	size_t bang = span_find(work_view(&old), '!');

	if (bang == old.len)
		return;
	work_set(w, span_skip(work_view(&old), bang + 1));
	work_put(w, SPAN("@"));
	work_put(w, span_head(work_view(&old), bang));
}

void
rewrite_route(const struct router *r, struct work *w)
{
	if (span_has(work_view(w), '@'))
		return;
	if (r->swap_bangpath)
		swap_bang(w);
	size_t percent = span_rfind(work_view(w), '%');
	if (r->percent_hack && !span_has(work_view(w), '@') && percent < w->len)
		w->text[percent] = '@';
}

/* What is missing, in the context that origin and domain (each may be empty) stand for. */
static void
rewrite(const struct router *r, struct work *w, struct span origin, struct span domain)
{
	if (w->len == 0)
		return;
	rewrite_route(r, w);
	if (!span_has(work_view(w), '@')) {
		if (!r->append_origin || origin.len == 0)
			return;
		work_put(w, SPAN("@"));
		work_put(w, origin);
	}
	struct span there = address_domain(work_view(w));
	if (r->append_domain && domain.len > 0 && there.len > 0 && there.ptr[0] != '[' && !span_has(there, '.')) {
		work_put(w, SPAN("."));
		work_put(w, domain);
	}
	there = address_domain(work_view(w));
	if (there.len > 1 && there.ptr[there.len - 1] == '.')
		w->len--;
}

void
rewrite_local(const struct router *r, struct work *w)
{
	rewrite(r, w, r->myorigin, r->mydomain);
}

void
route_rewrite(const struct router *r, struct span address, bool local, struct buf *out)
{
	struct work w;
	struct span remote = span_str(conf_str(r->view, P_remote_header_rewrite_domain));

	work_set(&w, address);
	if (local)
		rewrite_local(r, &w);
	else if (remote.len > 0)
		rewrite(r, &w, remote, remote);
	buf_span(out, w.over ? address : work_view(&w));
}
