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
put_setting(struct postconf *c, size_t overrides, struct span name, struct span value)
{
	struct setting_text *old = postconf_find(c, name);

	if (old != NULL && (size_t)(old - c->settings) < overrides)
		return;
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
				put_setting(c, overrides, name, span_trim(span_skip(line, equals + 1)));
		}
		buf_clear(&lines.text);
	}
	buf_clear(&text);
	return status;
}

/* -- master.cf ------------------------------------------------------------- */

/* The next word, or {group} with its braces. */
static bool
next_word(struct span *rest, struct span *word)
{
	size_t depth = 0, end = 0;

	*rest = span_ltrim(*rest);
	for (; end < rest->len; end++) {
		char c = rest->ptr[end];
		if (c == '{')
			depth++;
		else if (c == '}' && depth > 0)
			depth--;
		else if (depth == 0 && span_has(span_str(BLANKS), c))
			break;
	}
	*word = span_head(*rest, end);
	*rest = span_skip(*rest, end);
	return word->len > 0;
}

static struct span
without_braces(struct span s)
{
	return s.len >= 2 && s.ptr[0] == '{' && s.ptr[s.len - 1] == '}' ? span_trim(span_of(s.ptr + 1, s.len - 2)) : s;
}

/* -o name=value, written as postconf writes it. */
static void
add_option(struct master_text *m, struct span text, struct buf *command)
{
	struct span inner = without_braces(text);
	size_t equals = span_find(inner, '=');
	struct span name = span_trim(span_head(inner, equals)), value = span_trim(span_skip(inner, equals + 1));
	bool group = span_find(value, ' ') < value.len || span_find(value, '\t') < value.len;

	m->settings = mem_grow(m->settings, m->count + 1, sizeof *m->settings);
	m->settings[m->count++] = (struct master_setting){ span_dup(name), span_dup(value) };
	buf_printf(command, " -o %s%.*s=", group ? "{" : "", SPAN_ARG(name));
	postconf_words(command, value);
	buf_str(command, group ? "}" : "");
}

static void
add_service(struct postconf *c, struct span line)
{
	struct master_text m = { .count = 0 };
	struct buf command = BUF_INIT(0);
	struct span word;
	bool options = true;	/* up to the first word that is none */

	for (size_t i = 0; i < MASTER_FIELDS; i++) {
		next_word(&line, &word);
		m.fields[i] = span_dup(word);
	}
	buf_str(&command, m.fields[MASTER_FIELDS - 1]);
	while (next_word(&line, &word)) {
		struct span value = SPAN_NONE;
		options = options && (word.ptr[0] == '-');
		if (options && span_eqs(word, "-o") && next_word(&line, &value)) {
			add_option(&m, value, &command);
		} else if (options && span_starts(word, "-o") && word.len > 2) {
			add_option(&m, span_skip(word, 2), &command);
		} else {
			buf_char(&command, ' ');
			buf_span(&command, word);
		}
	}
	free(m.fields[MASTER_FIELDS - 1]);
	m.fields[MASTER_FIELDS - 1] = buf_take(&command);
	c->services = mem_grow(c->services, c->service_count + 1, sizeof *c->services);
	c->services[c->service_count++] = m;
}

static int
read_master(struct postconf *c)
{
	struct buf text = BUF_INIT(FILE_MAX);
	unsigned number = 0;
	struct span line;
	int status = 0;

	if (slurp(c, "master.cf", &text, &status)) {
		struct conf_lines lines = { .rest = buf_view(&text), .next = 1, .text = BUF_INIT(FILE_MAX) };
		while (conf_lines_next(&lines, &line, &number))
			add_service(c, line);
		buf_clear(&lines.text);
	}
	buf_clear(&text);
	return status;
}

/* -- which names are used -------------------------------------------------- */

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
		if (param_find(buf_view(&def), &known) || span_eqs(suffix, "_initial_destination_concurrency"))
			for (size_t i = 0; i < c->service_count && !found; i++)
				found = span_eqs(span_head(name, at), c->services[i].fields[0]) && strcmp(c->services[i].fields[1], "inet") != 0;
		if (found)
			buf_printf(value, "$%s", param_find(buf_view(&def), &known) ? def.ptr : "initial_destination_concurrency");
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
		while (strcmp(s->name, "smtpd_restriction_classes") == 0 && span_word(&classes, BLANKS ",", &word))
			mark(c, word);
	}
	for (size_t i = 0; i < c->service_count; i++) {
		expand_names(span_str(c->services[i].fields[MASTER_FIELDS - 1]), mark, c);
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
		put_setting(c, c->count, SPAN("config_directory"), span_str(dir));
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
	for (size_t i = 0; i < c->service_count; i++) {
		for (size_t k = 0; k < MASTER_FIELDS; k++)
			free(c->services[i].fields[k]);
		for (size_t k = 0; k < c->services[i].count; k++) {
			free(c->services[i].settings[k].name);
			free(c->services[i].settings[k].value);
		}
		free(c->services[i].settings);
	}
	free(c->settings);
	free(c->services);
	conf_unref(c->defaults);
}
