#include <stdlib.h>

#include "base/mem.h"
#include "table/match_list.h"
#include "table/remote.h"

bool
remote_format_check(const char *format, const char *what, struct err *err)
{
	for (const char *p = format; *p != '\0'; p++) {
		if (*p != '%')
			continue;
		if (p[1] == '\0' || strchr("%sSuUdD123456789", p[1]) == NULL) {
			err_set(err, ERR_SYS, "%s = %s: %%s %%u %%d %%S %%U %%D %%1 to %%9 and %%%% are known", what, format);
			return false;
		}
		p++;
	}
	return true;
}

bool
remote_query_init(struct remote_query *q, const struct conf *conf, const struct remote_file *f, const char *name, const char *def, struct err *err)
{
	const char *domains = remote_str(f, "domain", "");

	*q = (struct remote_query){ .query = name == NULL ? "" : remote_str(f, name, def),
	    .result = remote_str(f, "result_format", remote_str(f, "result_filter", "%s")) };
	if (q->query == NULL) {
		err_set(err, ERR_SYS, "%s: there is no %s", f->path, name);
		return false;
	}
	if (!remote_format_check(q->query, name == NULL ? "" : name, err) || !remote_format_check(q->result, "result_format", err)) {
		struct span bad = span_head(span_str(err->text), span_find(span_str(err->text), ' '));
		char *which = span_dup(bad);
		err_prefix(err, "%s:%u", f->path, remote_line(f, which));
		free(which);
		return false;
	}
	if (!remote_int(f, "expansion_limit", 0, 0, INT32_MAX, &q->limit, err))
		return false;
	if (domains[0] != '\0' && (q->domains = match_list_new(conf, "domain", domains, MATCH_STRING, err)) == NULL) {
		err_prefix(err, "%s: domain", f->path);
		return false;
	}
	return true;
}

void
remote_query_clear(struct remote_query *q)
{
	match_list_free(q->domains);
	q->domains = NULL;
}

char *
remote_select(const struct remote_file *f, const char *function)
{
	const char *field = remote_str(f, "select_field", NULL), *table = remote_str(f, "table", NULL), *where = remote_str(f, "where_field", NULL);
	struct buf b = BUF_INIT(65536);

	if (function != NULL) {
		buf_printf(&b, "SELECT %s('%%s')", function);
		return buf_take(&b);
	}
	if (field == NULL || table == NULL || where == NULL)
		return NULL;
	buf_printf(&b, "SELECT %s FROM %s WHERE %s = '%%s' %s", field, table, where, remote_str(f, "additional_conditions", ""));
	return buf_take(&b);
}

struct parts {
	struct span	 whole, user, domain;
	bool		 has_domain;
};

static struct parts
parts_of(struct span s)
{
	size_t at = span_rfind(s, '@');

	return (struct parts){ s, span_head(s, at), span_skip(s, at + 1), at < s.len };
}

/* The n-th label of the domain from the right. */
static bool
label(const struct parts *p, int n, struct span *out)
{
	struct span rest = p->domain;

	if (!p->has_domain)
		return false;
	for (; n > 0; n--) {
		if (rest.len == 0)
			return false;
		size_t dot = span_rfind(rest, '.');
		*out = dot == rest.len ? rest : span_skip(rest, dot + 1);
		rest = dot == rest.len ? SPAN_NONE : span_head(rest, dot);
	}
	return true;
}

static bool
part(char c, const struct parts *value, const struct parts *key, struct span *out)
{
	const struct parts *p = c >= 'a' ? value : key;

	switch (c) {
	case 's': case 'S':
		*out = p->whole;
		return true;
	case 'u': case 'U':
		*out = p->user;
		return !p->has_domain || p->user.len > 0;
	case 'd': case 'D':
		*out = p->domain;
		return p->has_domain;
	default:
		return label(key, c - '0', out);
	}
}

bool
remote_expand(const char *format, struct span value, struct span key, remote_quote *quote, void *arg, struct buf *out)
{
	struct parts v = parts_of(value), k = parts_of(key);
	struct span text;

	for (const char *p = format; *p != '\0'; p++) {
		if (*p != '%') {
			buf_char(out, *p);
			continue;
		}
		if (*++p == '\0')
			break;
		if (*p == '%') {
			buf_char(out, '%');
			continue;
		}
		if (!part(*p, &v, &k, &text))
			return false;
		if (quote != NULL)
			quote(arg, text, out);
		else
			buf_span(out, text);
	}
	return !out->over;
}

bool
remote_wants(const struct remote_query *q, struct span key)
{
	struct parts k = parts_of(key);

	if (q->domains == NULL)
		return true;
	return k.has_domain && k.user.len > 0 && k.domain.len > 0 && match_list_name(q->domains, NULL, k.domain, NULL) == MATCH_YES;
}

bool
remote_add(const struct remote_query *q, struct span value, struct span key, int64_t *count, struct buf *out, struct err *err)
{
	struct buf one = BUF_INIT(REMOTE_VALUE_MAX);
	bool ok = true;

	if (value.len > 0 && remote_expand(q->result, value, key, NULL, NULL, &one)) {
		if (q->limit > 0 && *count >= q->limit) {
			err_set(err, ERR_TEMP, "more than %lld values (expansion_limit)", (long long)q->limit);
			ok = false;
		} else {
			if ((*count)++ > 0)
				buf_char(out, ',');
			buf_span(out, buf_view(&one));
		}
	}
	if (ok && (out->over || out->len > REMOTE_VALUE_MAX)) {
		err_set(err, ERR_TEMP, "an answer of more than %zu bytes", REMOTE_VALUE_MAX);
		ok = false;
	}
	buf_clear(&one);
	return ok;
}
