/*
 * postconf -e, -X, -#: main.cf and master.cf changed as Postfix's command changes them. No check is made: a script may mend a file in steps. Comments
 * within a setting stay; the file is replaced as a whole.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/textfile.h"
#include "conf/lines.h"
#include "mtactl/postfix_conf.h"

#define TEXT_MAX	((size_t)4 << 20)

/* One argument: "name=value", "service/type=line", "service/type/field=value", or what to take out. */
struct edit {
	struct span	 key, value;
	struct master_text line;	/* -M */
	bool		 met;
};

struct change {
	const struct postconf *c;
	int		 mode, what;	/* p M F P; e X # */
	struct edit	*edits;
	size_t		 count;
	struct buf	 out;
};

/* -- arguments ----------------------------------------------------------------------------- */

static size_t
parts_of(struct span key)
{
	struct span part;
	size_t n = 0;

	while (span_cut(&key, '/', &part))
		n += part.len > 0 ? 1 : 4;
	return n;
}

static int
check_key(const struct change *ch, const struct edit *e)
{
	const char *name = ch->c->postfix->name;

	if (ch->mode == 'M' && parts_of(e->key) != 2)
		return postfix_fatal(name, "-Me, -MX or -M# requires service_name/type");
	if (ch->mode == 'F' && parts_of(e->key) != 3)
		return postfix_fatal(name, "-Fe requires service_name/type/field_name");
	if (ch->mode == 'P' && parts_of(e->key) != 3)
		return postfix_fatal(name, "-Pe or -PX requires service_name/type/parameter");
	return 0;
}

static struct span
last_part(struct span key)
{
	return span_skip(key, span_rfind(key, '/') + 1);
}

static size_t
field_of(struct span key)
{
	size_t i = 0;

	while (i < MASTER_FIELDS && !span_eqs(last_part(key), master_field_names[i]))
		i++;
	return i;
}

static bool
may_be_field(size_t field, struct span value)
{
	uint32_t n;

	if (field >= 2 && field <= 4)
		return span_eqs(value, "y") || span_eqs(value, "n") || span_eqs(value, "-");
	if (field == 5 && span_ends(value, "?"))
		value = span_head(value, value.len - 1);
	if (field == 5 || field == 6)
		return span_eqs(value, "-") || num_u32(value, &n);
	if (field == 1)
		return span_eqs(value, "inet") || span_eqs(value, "unix") || span_eqs(value, "unix-dgram") || span_eqs(value, "fifo") ||
		    span_eqs(value, "pass");
	return value.len > 0;
}

static int
check_value(const struct change *ch, struct edit *e, const char *arg)
{
	const char *name = ch->c->postfix->name;
	size_t field = field_of(e->key);

	if (ch->mode == 'M' && !master_text_parse(&e->line, e->value))
		return postfix_fatal(name, "bad field count: \"%s\"", arg);
	if (ch->mode == 'F' && field == MASTER_FIELDS)
		return postfix_fatal(name, "invalid service attribute name: \"%.*s\"", SPAN_ARG(last_part(e->key)));
	if (ch->mode == 'F' && !may_be_field(field, e->value))
		return postfix_fatal(name, "invalid %s field \"%.*s\" in \"%.*s\"", master_field_names[field], SPAN_ARG(e->value), SPAN_ARG(e->value));
	for (size_t i = 0; ch->mode == 'P' && i < e->value.len; i++)
		if (span_has(SPAN(" \t\f\v"), e->value.ptr[i]))
			return postfix_fatal(name, "-Pe does not accept whitespace in parameter value");
	return 0;
}

static int
take_edit(const struct change *ch, const char *arg, struct edit *e)
{
	const char *name = ch->c->postfix->name;
	struct span whole = span_str(arg);
	size_t equals = span_find(whole, '=');

	*e = (struct edit){ .key = span_trim(span_head(whole, equals)), .value = span_trim(span_skip(whole, equals + 1)) };
	if (span_has(whole, '\n') || span_has(whole, '\r'))
		return postfix_fatal(name, "-e, -X, or -# accepts no multi-line input");
	if (ch->what != 'e' && equals < whole.len)
		return postfix_fatal(name, "-X or -# requires names without value");
	bool words = ch->mode == 'p' && (span_has(e->key, ' ') || span_has(e->key, '\t'));
	if (ch->what == 'e' && (equals == whole.len || e->key.len == 0 || words))
		return postfix_fatal(name, "missing '=' after attribute name: \"%s\"", arg);
	if (e->key.len == 0 || words || span_starts(e->key, "#"))
		return postfix_fatal(name, "\"%s\" is no parameter name", arg);
	int status = check_key(ch, e);
	return status == 0 && ch->what == 'e' ? check_value(ch, e, arg) : status;
}

/* -- one line -------------------------------------------------------------------------------- */

/* What is no comment and not empty, each line with `mark` before it, or (NULL) not at all. */
static void
write_lines(struct span raw, const char *mark, struct buf *out)
{
	struct span line;

	for (size_t at = 0; at < raw.len; at += line.len) {
		line = span_skip(raw, at);
		line = span_head(line, span_find(line, '\n') + 1);
		struct span said = span_trim(line);
		bool silent = said.len == 0 || said.ptr[0] == '#';
		if (!silent && mark == NULL)
			continue;
		if (!silent)
			buf_str(out, mark);
		buf_span(out, line);
	}
}

static void
write_setting(struct buf *out, const struct edit *e)
{
	buf_printf(out, "%.*s = %.*s\n", SPAN_ARG(e->key), SPAN_ARG(e->value));
}

static void
change_setting(struct change *ch, struct span raw, struct span line)
{
	struct span name = span_rtrim(span_head(line, span_find(line, '=')));
	struct edit *e = NULL;

	for (size_t i = 0; i < ch->count; i++)
		if (span_eq(ch->edits[i].key, name))
			e = &ch->edits[i];
	if (e == NULL) {
		buf_span(&ch->out, raw);
		return;
	}
	if (e->met)
		postfix_warn(ch->c->postfix->name, "%s/main.cf: multiple entries for \"%.*s\"", ch->c->postfix->session.conf_dir, SPAN_ARG(name));
	e->met = true;
	if (ch->what == 'e')
		write_setting(&ch->out, e);
	write_lines(raw, ch->what == '#' ? "#" : NULL, &ch->out);
}

static void
set_field(struct master_text *m, const struct edit *e)
{
	size_t field = field_of(e->key);
	struct buf line = BUF_INIT(0);

	if (field == MASTER_FIELDS - 1) {
		struct master_text new;
		for (size_t i = 0; i < field; i++)
			buf_printf(&line, "%s ", m->fields[i]);
		buf_span(&line, e->value);
		(void)master_text_parse(&new, buf_view(&line));
		master_text_clear(m);
		*m = new;
	} else {
		free(m->fields[field]);
		m->fields[field] = span_dup(e->value);
	}
	buf_clear(&line);
}

static bool
is_setting(const struct master_text *m, size_t i, struct span name)
{
	struct span word = i + 1 < m->options ? span_str(m->words[i + 1]) : SPAN_NONE;

	return i + 1 < m->options && strcmp(m->words[i], "-o") == 0 && span_eq(span_head(word, span_find(word, '=')), name);
}

static void
take_out_words(struct master_text *m, size_t at)
{
	free(m->words[at]);
	free(m->words[at + 1]);
	memmove(m->words + at, m->words + at + 2, (m->word_count - at - 2) * sizeof *m->words);
	m->word_count -= 2;
	m->options -= 2;
}

static void
put_in_words(struct master_text *m, struct span setting)
{
	m->words = mem_grow(m->words, m->word_count + 2, sizeof *m->words);
	memmove(m->words + m->options + 2, m->words + m->options, (m->word_count - m->options) * sizeof *m->words);
	m->words[m->options] = mem_str("-o");
	m->words[m->options + 1] = span_dup(setting);
	m->word_count += 2;
	m->options += 2;
}

/* A setting that is there changes in its place; a new one comes behind the other options. */
static void
set_parameter(struct master_text *m, const struct edit *e, bool out)
{
	struct span name = last_part(e->key);
	struct buf setting = BUF_INIT(0);
	bool there = false;

	buf_printf(&setting, "%.*s=%.*s", SPAN_ARG(name), SPAN_ARG(e->value));
	for (size_t i = 0; i + 1 < m->options; i++) {
		if (!is_setting(m, i, name))
			continue;
		if (out) {
			take_out_words(m, i--);
		} else {
			free(m->words[i + 1]);
			m->words[i + 1] = span_dup(buf_view(&setting));
			there = true;
		}
	}
	if (!out && !there)
		put_in_words(m, buf_view(&setting));
	buf_clear(&setting);
}

static void
put_line(struct change *ch, const struct master_text *m)
{
	struct buf line = BUF_INIT(0);

	master_text_line(m, NULL, true, &line);
	buf_span(&ch->out, buf_view(&line));
	buf_char(&ch->out, '\n');
	buf_clear(&line);
}

static void
change_service(struct change *ch, struct span raw, struct span line)
{
	const struct edit *whole = NULL;
	struct master_text m;
	bool changed = false;

	(void)master_text_parse(&m, line);
	for (size_t i = 0; i < ch->count; i++) {
		struct edit *e = &ch->edits[i];
		struct span service = ch->mode == 'M' ? e->key : span_head(e->key, span_rfind(e->key, '/'));
		if (!master_text_fits(&m, service, NULL))
			continue;
		e->met = changed = true;
		if (ch->mode == 'M')
			whole = e;
		else if (ch->mode == 'F')
			set_field(&m, e);
		else
			set_parameter(&m, e, ch->what == 'X');
	}
	if (!changed) {
		buf_span(&ch->out, raw);
	} else {
		if (ch->what == 'e' || ch->mode != 'M')
			put_line(ch, whole != NULL ? &whole->line : &m);
		write_lines(raw, ch->what == '#' ? "#" : NULL, &ch->out);
	}
	master_text_clear(&m);
}

/* -- the file ------------------------------------------------------------------------------ */

static void
write_new(struct change *ch)
{
	for (size_t i = 0; i < ch->count; i++) {
		struct edit *e = &ch->edits[i];
		if (e->met)
			continue;
		if (ch->out.len > 0 && ch->out.ptr[ch->out.len - 1] != '\n')
			buf_char(&ch->out, '\n');
		if (ch->mode == 'p' && ch->what == 'e')
			write_setting(&ch->out, e);
		else if (ch->mode == 'M' && ch->what == 'e')
			put_line(ch, &e->line);
		else if (ch->mode == 'F' || ch->mode == 'P')
			postfix_warn(ch->c->postfix->name, "unmatched service_name/type: \"%.*s%s%.*s\"", SPAN_ARG(e->key),
			    ch->what == 'e' ? "=" : "", SPAN_ARG(e->value));
	}
}

static void
rewrite(struct change *ch, struct span text)
{
	struct conf_lines lines = { .rest = text, .next = 1, .text = BUF_INIT(TEXT_MAX) };
	const char *at = text.ptr;
	unsigned number = 0;
	struct span line;

	while (conf_lines_next(&lines, &line, &number)) {
		buf_span(&ch->out, span_of(at, (size_t)(lines.raw.ptr - at)));
		if (ch->mode == 'p')
			change_setting(ch, lines.raw, line);
		else
			change_service(ch, lines.raw, line);
		at = lines.raw.ptr + lines.raw.len;
	}
	if (text.ptr != NULL)
		buf_span(&ch->out, span_of(at, (size_t)(text.ptr + text.len - at)));
	buf_clear(&lines.text);
	write_new(ch);
}

static int
change_file(struct change *ch)
{
	struct err err = { .kind = ERR_NONE };
	struct buf path = BUF_INIT(4096);
	int status = 0;

	buf_printf(&path, "%s/%s", ch->c->postfix->session.conf_dir, ch->mode == 'p' ? "main.cf" : "master.cf");
	if (path.over || access(path.ptr, F_OK) != 0) {
		status = postfix_fatal(ch->c->postfix->name, "open %s for reading: %s", path.ptr, strerror(errno));
		buf_clear(&path);
		return status;
	}
	struct textfile *t = textfile_open(path.ptr, TEXT_MAX, &err);
	if (t != NULL) {
		rewrite(ch, textfile_text(t));
		textfile_set(t, buf_view(&ch->out));
	}
	if (t == NULL || (textfile_edited(t) && !textfile_commit(t, &err)))
		status = postfix_fatal(ch->c->postfix->name, "%s", err.text);
	textfile_free(t);
	buf_clear(&path);
	return status;
}

int
postconf_change(const struct postconf *c, int mode, int what, char *const *args, size_t n)
{
	struct change ch = { .c = c, .mode = mode, .what = what, .count = n, .out = BUF_INIT(TEXT_MAX * 2) };
	int status = 0;

	if (n == 0 && what == 'e')
		return postfix_fatal(c->postfix->name, "-e requires name=value argument");
	if (n == 0)
		return postfix_fatal(c->postfix->name, "missing service argument");
	ch.edits = mem_array(n, sizeof *ch.edits);
	for (size_t i = 0; i < n && status == 0; i++)
		status = take_edit(&ch, args[i], &ch.edits[i]);
	if (status == 0)
		status = change_file(&ch);
	for (size_t i = 0; i < n; i++)
		master_text_clear(&ch.edits[i].line);
	free(ch.edits);
	buf_clear(&ch.out);
	return status;
}
