/*
 * postconf -M, -F, -P: the lines of master.cf, their fields, their -o settings.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mtactl/postfix_conf.h"

static const char *const field_names[MASTER_FIELDS] = { "service", "type", "private", "unprivileged", "chroot", "wakeup",
	"process_limit", "command" };

/* "service/type/part"; each may be left out or "*". */
static bool
fits(const char *request, const struct master_text *m, const char *part)
{
	const char *const have[] = { m->fields[0], m->fields[1], part };
	struct span left = span_str(request), one;
	size_t i = 0;

	for (; span_cut(&left, '/', &one); i++)
		if (i == 3 || (have[i] != NULL && !span_eqs(one, "*") && !span_eqs(one, have[i])))
			return false;
	return i > 0 && (part != NULL || i < 3);
}

static bool
wanted(const struct master_text *m, const char *part, char *const *requests, size_t n, bool *met)
{
	bool any = n == 0;

	for (size_t i = 0; i < n; i++)
		if (fits(requests[i], m, part))
			any = met[i] = true;
	return any;
}

static void
put_line(const struct postconf *c, const struct master_text *m)
{
	struct display *d = &c->postfix->session.display;
	char *const *f = m->fields;
	struct buf line = BUF_INIT(0);

	buf_printf(&line, "%-10s %-5s %-7s %-7s %-7s %-7s %-7s %s", f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]);
	if (d->tty)
		safe_text(&d->out, buf_view(&line), false);
	else
		buf_span(&d->out, buf_view(&line));
	buf_char(&d->out, '\n');
	buf_clear(&line);
}

static void
put_part(const struct postconf *c, const struct master_text *m, const char *name, const char *value)
{
	struct buf label = BUF_INIT(0);

	buf_printf(&label, "%s/%s/%s", m->fields[0], m->fields[1], name);
	postconf_put(c, buf_view(&label), span_str(value));
	buf_clear(&label);
}

static int
by_name(const void *a, const void *b)
{
	const struct master_setting *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void
put_service(const struct postconf *c, int mode, struct master_text *m, char *const *requests, size_t n, bool *met)
{
	if (mode == 'M' && wanted(m, NULL, requests, n, met))
		put_line(c, m);
	for (size_t i = 0; mode == 'F' && i < MASTER_FIELDS; i++)
		if (wanted(m, field_names[i], requests, n, met))
			put_part(c, m, field_names[i], m->fields[i]);
	if (mode == 'P' && m->count > 1)
		qsort(m->settings, m->count, sizeof *m->settings, by_name);
	for (size_t i = 0; mode == 'P' && i < m->count; i++)
		if (wanted(m, m->settings[i].name, requests, n, met))
			put_part(c, m, m->settings[i].name, m->settings[i].value);
}

int
postconf_master(const struct postconf *c, int mode, char *const *requests, size_t n)
{
	bool *met = mem_array(n + 1, sizeof *met);

	for (size_t i = 0; i < c->service_count; i++)
		put_service(c, mode, &c->services[i], requests, n, met);
	display_flush(&c->postfix->session.display);
	for (size_t i = 0; i < n; i++)
		if (!met[i])
			postfix_warn(c->postfix->name, "unmatched request: \"%s\"", requests[i]);
	free(met);
	return 0;
}
