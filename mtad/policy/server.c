#include "policy/server.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "table/table.h"

#define SERVERS_MAX	1000

static struct policy_server *
find(const struct policy_servers *all, struct span spec)
{
	for (size_t i = 0; i < all->count; i++)
		if (span_eqs(spec, all->list[i]->spec))
			return all->list[i];
	return NULL;
}

static void
server_free(struct policy_server *s)
{
	free(s->spec);
	free(s->where);
	free(s->default_action);
	free(s->context);
	free(s);
}

static bool
set_time(struct span value, char unit, int64_t *to, struct err *err)
{
	return conf_parse_time(value, unit, to, err);
}

static bool
set_number(struct span value, uint32_t *to, struct err *err)
{
	if (num_u32(value, to))
		return true;
	err_set(err, ERR_SYS, "\"%.*s\" is not a number", SPAN_ARG(span_head(value, 40)));
	return false;
}

static bool
set_text(struct span value, char **to)
{
	free(*to);
	*to = span_dup(value);
	return true;
}

/* One "name = value" of the braces. */
static bool
set_option(struct policy_server *s, struct span name, struct span value, struct err *err)
{
	if (span_eqs(name, "timeout"))
		return set_time(value, 's', &s->timeout, err);
	if (span_eqs(name, "max_idle"))
		return set_time(value, 's', &s->max_idle, err);
	if (span_eqs(name, "max_ttl"))
		return set_time(value, 's', &s->max_ttl, err);
	if (span_eqs(name, "retry_delay"))
		return set_time(value, 's', &s->retry_delay, err);
	if (span_eqs(name, "try_limit"))
		return set_number(value, &s->try_limit, err);
	if (span_eqs(name, "request_limit"))
		return set_number(value, &s->request_limit, err);
	if (span_eqs(name, "default_action"))
		return set_text(value, &s->default_action);
	if (span_eqs(name, "policy_context"))
		return set_text(value, &s->context);
	err_set(err, ERR_SYS, "policy service: unknown attribute \"%.*s\"", SPAN_ARG(span_head(name, 40)));
	return false;
}

/* "name = value" or "{ name = value with commas }". */
static bool
take_option(struct policy_server *s, struct span *rest, struct err *err)
{
	struct span text = span_ltrim(*rest);

	while (text.len > 0 && (text.ptr[0] == ',' || text.ptr[0] == ' ' || text.ptr[0] == '\t' || text.ptr[0] == '\n'))
		text = span_skip(text, 1);
	*rest = text;
	if (text.len == 0)
		return true;
	if (text.ptr[0] == '{') {
		size_t end = span_find(text, '}');
		*rest = span_skip(text, end + 1);
		text = span_trim(span_of(text.ptr + 1, end - 1));
	} else {
		/* Blanks may stand around the "="; else they end it, as a comma does. */
		size_t eq = span_find(text, '='), at = eq + 1;
		while (at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == '\t'))
			at++;
		while (at < text.len && text.ptr[at] != ',' && text.ptr[at] != ' ' && text.ptr[at] != '\t' && text.ptr[at] != '\n')
			at++;
		*rest = span_skip(text, at);
		text = span_head(text, at);
	}
	size_t eq = span_find(text, '=');
	if (eq == text.len) {
		err_set(err, ERR_SYS, "policy service: \"%.*s\" is not \"name = value\"", SPAN_ARG(span_head(text, 60)));
		return false;
	}
	return set_option(s, span_trim(span_head(text, eq)), span_trim(span_skip(text, eq + 1)), err);
}

static bool
check_where(struct span where, struct err *err)
{
	bool inet = span_starts(where, "inet:");
	struct span rest = span_skip(where, 5);

	if (inet ? span_rfind(rest, ':') < rest.len : span_starts(where, "unix:") && rest.len > 0)
		return true;
	err_set(err, ERR_SYS, "policy service \"%.*s\": write inet:HOST:PORT or unix:PATH", SPAN_ARG(span_head(where, 80)));
	return false;
}

static bool
fill(struct policy_server *s, struct span spec, struct err *err)
{
	struct span rest = spec, where;
	bool braces = spec.len >= 2 && spec.ptr[0] == '{' && spec.ptr[spec.len - 1] == '}';

	if (braces)
		rest = span_of(spec.ptr + 1, spec.len - 2);
	if (!span_word(&rest, "\t\r\n ,", &where) || !check_where(where, err))
		return false;
	s->where = span_dup(where);
	while (rest.len > 0)
		if (!take_option(s, &rest, err))
			return false;
	return true;
}

struct policy_server *
policy_servers_add(struct policy_servers *all, const struct view *v, struct span spec, struct err *err)
{
	struct policy_server *s = find(all, spec);

	if (s != NULL)
		return s;
	if (all->count == SERVERS_MAX) {
		err_set(err, ERR_SYS, "more than %d policy servers", SERVERS_MAX);
		return NULL;
	}
	MEM_NEW(s);
	*s = (struct policy_server){ .number = (unsigned)all->count, .spec = span_dup(spec),
	    .timeout = conf_time(v, P_smtpd_policy_service_timeout), .max_idle = conf_time(v, P_smtpd_policy_service_max_idle),
	    .max_ttl = conf_time(v, P_smtpd_policy_service_max_ttl), .retry_delay = conf_time(v, P_smtpd_policy_service_retry_delay),
	    .try_limit = (uint32_t)conf_int(v, P_smtpd_policy_service_try_limit),
	    .request_limit = (uint32_t)conf_int(v, P_smtpd_policy_service_request_limit),
	    .default_action = mem_str(conf_str(v, P_smtpd_policy_service_default_action)),
	    .context = mem_str(conf_str(v, P_smtpd_policy_service_policy_context)) };
	if (!fill(s, spec, err)) {
		server_free(s);
		return NULL;
	}
	all->list = mem_grow(all->list, all->count + 1, sizeof *all->list);
	all->list[all->count++] = s;
	return s;
}

void
policy_servers_clear(struct policy_servers *all)
{
	for (size_t i = 0; i < all->count; i++)
		server_free(all->list[i]);
	free(all->list);
	*all = (struct policy_servers){ 0 };
}
