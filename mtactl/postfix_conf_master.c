/*
 * postconf -M, -F, -P: the lines of master.cf, their fields, their -o settings.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mtactl/postfix_conf.h"

static bool
wanted(const struct master_text *m, const char *part, char *const *requests, size_t n, bool *met)
{
	bool any = n == 0;

	for (size_t i = 0; i < n; i++)
		if (master_text_fits(m, span_str(requests[i]), part))
			any = met[i] = true;
	return any;
}

static void
put_text(const struct postconf *c, const struct buf *text)
{
	struct display *d = &c->postfix->session.display;

	if (d->tty)
		safe_text(&d->out, buf_view(text), true);
	else
		buf_span(&d->out, buf_view(text));
	buf_char(&d->out, '\n');
}

static void
put_line(const struct postconf *c, const struct master_text *m)
{
	struct buf line = BUF_INIT(0);

	master_text_line(m, c, c->fold, &line);
	put_text(c, &line);
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

	int order = strcmp(x->name, y->name);

	return order != 0 ? order : x->rank < y->rank ? -1 : 1;
}

static void
put_setting(const struct postconf *c, const struct master_text *m, const struct master_setting *s)
{
	struct buf text = BUF_INIT(0);

	if (c->expand && postconf_expand(c, span_str(s->value), &text, NULL))
		put_part(c, m, s->name, text.ptr == NULL ? "" : text.ptr);
	else
		put_part(c, m, s->name, s->value);
	buf_clear(&text);
}

static void
put_field(const struct postconf *c, const struct master_text *m, size_t i)
{
	struct buf text = BUF_INIT(0);

	if (i < MASTER_FIELDS - 1) {
		put_part(c, m, master_field_names[i], m->fields[i]);
		return;
	}
	/* Its blanks are its own, and it is folded as the whole line is. */
	if (!c->no_name)
		buf_printf(&text, "%s/%s/command", m->fields[0], m->fields[1]);
	if (!c->no_name && !c->no_value)
		buf_str(&text, " = ");
	if (!c->no_value)
		master_text_command(m, c, c->fold, &text);
	put_text(c, &text);
	buf_clear(&text);
}

/* Of two settings of one name the later counts. They are in order, and those of one name in their own. */
static bool
is_last(const struct master_text *m, size_t i)
{
	return i + 1 == m->count || strcmp(m->settings[i].name, m->settings[i + 1].name) != 0;
}

static void
put_service(const struct postconf *main, int mode, struct master_text *m, char *const *requests, size_t n, bool *met)
{
	static char service_name[] = "service_name", process_name[] = "process_name";
	struct postconf own = *main, *c = &own;

	/* $name in a -o is first one of the same line. */
	own.count = 0;
	own.settings = mem_array(m->count + main->count + 2, sizeof *own.settings);
	for (size_t i = m->count; i-- > 0; )
		own.settings[own.count++] = (struct setting_text){ m->settings[i].name, m->settings[i].value, true };
	own.settings[own.count++] = (struct setting_text){ service_name, m->fields[0], true };
	own.settings[own.count++] = (struct setting_text){ process_name, m->fields[MASTER_FIELDS - 1], true };
	for (size_t i = 0; i < main->count; i++)
		own.settings[own.count++] = main->settings[i];
	if (mode == 'M' && wanted(m, NULL, requests, n, met))
		put_line(c, m);
	for (size_t i = 0; mode == 'F' && i < MASTER_FIELDS; i++)
		if (wanted(m, master_field_names[i], requests, n, met))
			put_field(c, m, i);
	if (mode == 'P' && m->count > 1)
		qsort(m->settings, m->count, sizeof *m->settings, by_name);
	for (size_t i = 0; mode == 'P' && i < m->count; i++)
		if (is_last(m, i) && wanted(m, m->settings[i].name, requests, n, met))
			put_setting(c, m, &m->settings[i]);
	free(own.settings);
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
