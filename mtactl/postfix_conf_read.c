/*
 * What postconf reads: main.cf and master.cf, and which names are used.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/version.h"
#include "conf/expand.h"
#include "conf/lines.h"
#include "mtactl/postfix_conf.h"

#define FILE_MAX	((size_t)4 << 20)
#define BLANKS		" \t\r\n\f\v"

static bool
slurp(const struct postconf *c, const char *name, struct buf *out, int *status)
{
	struct buf path = BUF_INIT(4096);
	char bytes[16384];
	size_t n;

	buf_printf(&path, "%s/%s", c->postfix->session.conf_dir, name);
	FILE *f = path.over ? NULL : fopen(path.ptr, "re");
	if (f == NULL && errno == ENOENT && c->lenient) {
		;
	} else if (f == NULL && errno == ENOENT && c->of_master == (strcmp(name, "main.cf") == 0)) {
		postfix_warn(c->postfix->name, "open %s: %s", path.ptr, strerror(errno));
	} else if (f == NULL) {
		*status = postfix_fatal(c->postfix->name, "open %s: %s", path.ptr, strerror(errno));
	} else {
		while (!out->over && (n = fread(bytes, 1, sizeof bytes, f)) > 0)
			buf_put(out, bytes, n);
		if (ferror(f) || out->over)
			*status = postfix_fatal(c->postfix->name, "read %s: %s", path.ptr, out->over ? "the file is too long" : strerror(errno));
		fclose(f);
	}
	buf_clear(&path);
	return *status == 0;
}

struct setting_text *
postconf_find(const struct postconf *c, struct span name)
{
	for (size_t i = 0; i < c->count; i++)
		if (span_eqs(name, c->settings[i].name))
			return &c->settings[i];
	return NULL;
}

/* The last line counts, but not against -o, which was there before. */
static void
put_setting(struct postconf *c, size_t overrides, unsigned line, struct span name, struct span value)
{
	struct setting_text *old = postconf_find(c, name);

	if (old != NULL && (size_t)(old - c->settings) < overrides)
		return;
	if (old != NULL && !c->lenient && overrides != c->count)
		postfix_warn(c->postfix->name, "%s/main.cf, line %u: overriding earlier entry: %s=%s", c->postfix->session.conf_dir, line, old->name,
		    old->value);
	if (old == NULL) {
		c->settings = mem_grow(c->settings, c->count + 1, sizeof *c->settings);
		old = &c->settings[c->count++];
		*old = (struct setting_text){ .name = span_dup(name) };
	}
	free(old->value);
	old->value = span_dup(value);
}

static int
read_main(struct postconf *c)
{
	struct buf text = BUF_INIT(FILE_MAX);
	size_t overrides = c->count;
	unsigned number = 0;
	struct span line;
	int status = 0;

	if (slurp(c, "main.cf", &text, &status)) {
		struct conf_lines lines = { .rest = buf_view(&text), .next = 1, .text = BUF_INIT(FILE_MAX) };
		while (conf_lines_next(&lines, &line, &number)) {
			size_t equals = span_find(line, '=');
			struct span name = span_rtrim(span_head(line, equals));
			if (equals == line.len || name.len == 0 || span_find(name, ' ') < name.len)
				postfix_warn(c->postfix->name, "%s/main.cf, line %u: not \"name = value\"; it is passed over",
				    c->postfix->session.conf_dir, number);
			else
				put_setting(c, overrides, number, name, span_trim(span_skip(line, equals + 1)));
		}
		buf_clear(&lines.text);
	}
	buf_clear(&text);
	return status;
}

/* -- master.cf ------------------------------------------------------------- */

static void
read_services(struct postconf *c, struct span text)
{
	struct conf_lines lines = { .rest = text, .next = 1, .text = BUF_INIT(FILE_MAX) };
	unsigned number = 0;
	struct span line;

	while (conf_lines_next(&lines, &line, &number)) {
		struct master_text m;
		(void)master_text_parse(&m, line);
		c->services = mem_grow(c->services, c->service_count + 1, sizeof *c->services);
		c->services[c->service_count++] = m;
	}
	buf_clear(&lines.text);
}

static int
read_master(struct postconf *c)
{
	struct buf text = BUF_INIT(FILE_MAX);
	int status = 0;

	if (slurp(c, "master.cf", &text, &status))
		read_services(c, buf_view(&text));
	buf_clear(&text);
	return status;
}

/* -- which names are used -------------------------------------------------- */

static bool
runs_commands(const struct master_text *m)
{
	return strcmp(m->fields[MASTER_FIELDS - 1], "pipe") == 0 || strcmp(m->fields[MASTER_FIELDS - 1], "spawn") == 0;
}

static bool
is_transport_suffix(struct span suffix)
{
	static const char *const starts[] = { "_destination_", "_delivery_slot_", "_recipient_", "_extra_recipient_", "_minimum_delivery_",
		"_transport_rate_" };

	for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
		if (span_starts(suffix, starts[i]))
			return true;
	return false;
}

bool
postconf_transport(const struct postconf *c, struct span name, struct buf *value)
{
	for (size_t at = 0; at < name.len; at++) {
		struct span suffix = span_skip(name, at);
		struct buf def = BUF_INIT(512);
		enum param known;
		bool found = false;
		if (suffix.ptr[0] != '_')
			continue;
		buf_printf(&def, "default%.*s", SPAN_ARG(suffix));
		bool limit = span_eqs(suffix, "_time_limit");
		if ((is_transport_suffix(suffix) && param_find(buf_view(&def), &known)) || limit || span_eqs(suffix, "_initial_destination_concurrency"))
			for (size_t i = 0; i < c->service_count && !found; i++)
				found = span_eqs(span_head(name, at), c->services[i].fields[0]) && (limit ? runs_commands(&c->services[i]) :
				    strcmp(c->services[i].fields[1], "inet") != 0);
		if (found)
			buf_printf(value, "$%s", limit ? "command_time_limit" : param_find(buf_view(&def), &known) ? def.ptr :
			    "initial_destination_concurrency");
		buf_clear(&def);
		if (found)
			return true;
	}
	return false;
}

static void
mark(void *arg, struct span name)
{
	struct setting_text *s = postconf_find(arg, name);

	if (s != NULL)
		s->used = true;
}

/* "ldap:NAME" in a value makes NAME_server_host and the like settings of that table. */
static void
mark_table(struct postconf *c, struct span table)
{
	static const char *const types[] = { "ldap:", "mysql:", "pgsql:", "sqlite:", "memcache:", "mongodb:" };

	if (span_starts(table, "proxy:"))
		table = span_skip(table, 6);
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		struct span name = span_skip(table, strlen(types[i]));
		if (!span_starts(table, types[i]) || name.len == 0 || name.ptr[0] == '/' || name.ptr[0] == '.')
			continue;
		for (size_t k = 0; k < c->count; k++) {
			struct span own = span_str(c->settings[k].name);
			if (own.len > name.len && own.ptr[name.len] == '_' && span_eq(span_head(own, name.len), name))
				c->settings[k].used = true;
		}
	}
}

static void
mark_used(struct postconf *c)
{
	enum param known;

	for (size_t i = 0; i < c->count; i++) {
		struct setting_text *s = &c->settings[i];
		struct buf unused = BUF_INIT(0);
		struct span classes = span_str(s->value), word;
		if (param_find(span_str(s->name), &known) || postconf_transport(c, span_str(s->name), &unused))
			s->used = true;
		buf_clear(&unused);
		expand_names(span_str(s->value), mark, c);
		struct span tables = span_str(s->value);
		while (span_word(&tables, BLANKS ",{}", &word))
			mark_table(c, word);
		while (strcmp(s->name, "smtpd_restriction_classes") == 0 && span_word(&classes, BLANKS ",", &word))
			mark(c, word);
	}
	for (size_t i = 0; i < c->service_count; i++) {
		for (size_t k = 0; k < c->services[i].word_count; k++)
			expand_names(span_str(c->services[i].words[k]), mark, c);
		for (size_t k = 0; k < c->services[i].count; k++)
			expand_names(span_str(c->services[i].settings[k].value), mark, c);
	}
}

int
postconf_read(struct postconf *c)
{
	const char *dir = c->postfix->session.conf_dir;
	struct conf_problems problems = { .count = 0 };
	int status = c->only_defaults ? 0 : read_main(c);

	if (status == 0 && !c->only_defaults)
		status = read_master(c);
	if (status != 0)
		return status;
	/* Host names and networks depend on what is set; a configuration that is wrong gives those of an empty one. */
	if (!c->only_defaults)
		c->defaults = conf_load(dir, NULL, 0, &problems);
	if (c->defaults == NULL)
		c->defaults = conf_parse(dir, SPAN_NONE, SPAN_NONE, &problems);
	conf_problems_clear(&problems);
	if (!c->only_defaults && strcmp(dir, MTAD_CONFIG_DIR) != 0)
		put_setting(c, c->count, 0, SPAN("config_directory"), span_str(dir));
	mark_used(c);
	return 0;
}

void
postconf_clear(struct postconf *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->settings[i].name);
		free(c->settings[i].value);
	}
	for (size_t i = 0; i < c->service_count; i++)
		master_text_clear(&c->services[i]);
	free(c->settings);
	free(c->services);
	conf_unref(c->defaults);
}
