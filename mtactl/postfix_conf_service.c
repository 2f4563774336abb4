/*
 * A line of master.cf as postconf takes it apart and writes it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mtactl/postfix_conf.h"

#define BLANKS		" \t\r\n\f\v"
#define LINE_END	80	/* a folded line stays below */

const char *const master_field_names[MASTER_FIELDS] = { "service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit",
	"command" };

/* -- reading ------------------------------------------------------------------------------- */

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

static void
add_word(struct master_text *m, struct span word)
{
	m->words = mem_grow(m->words, m->word_count + 1, sizeof *m->words);
	m->words[m->word_count++] = span_dup(word);
}

static void
add_option(struct master_text *m, struct span text)
{
	struct span inner = without_braces(text);
	size_t equals = span_find(inner, '=');
	struct span name = span_trim(span_head(inner, equals)), value = span_trim(span_skip(inner, equals + 1));
	struct buf whole = BUF_INIT(0);

	m->settings = mem_grow(m->settings, m->count + 1, sizeof *m->settings);
	m->settings[m->count] = (struct master_setting){ span_dup(name), span_dup(value), m->count };
	m->count++;
	buf_printf(&whole, "%.*s%s%.*s", SPAN_ARG(name), equals < inner.len ? "=" : "", SPAN_ARG(value));
	add_word(m, SPAN("-o"));
	add_word(m, buf_view(&whole));
	buf_clear(&whole);
}

bool
master_text_parse(struct master_text *m, struct span line)
{
	struct span word, value;
	bool whole = true, options = true;

	*m = (struct master_text){ .count = 0 };
	for (size_t i = 0; i < MASTER_FIELDS; i++) {
		whole = next_word(&line, &word);
		m->fields[i] = span_dup(word);
	}
	while (next_word(&line, &word)) {
		options = options && word.ptr[0] == '-' && !span_eqs(word, "--");
		if (options && span_eqs(word, "-o") && next_word(&line, &value))
			add_option(m, value);
		else if (options && span_starts(word, "-o") && word.len > 2)
			add_option(m, span_skip(word, 2));
		else
			add_word(m, without_braces(word));
		if (options)
			m->options = m->word_count;
	}
	return whole;
}

void
master_text_clear(struct master_text *m)
{
	for (size_t i = 0; i < MASTER_FIELDS; i++)
		free(m->fields[i]);
	for (size_t i = 0; i < m->word_count; i++)
		free(m->words[i]);
	for (size_t i = 0; i < m->count; i++) {
		free(m->settings[i].name);
		free(m->settings[i].value);
	}
	free(m->words);
	free(m->settings);
	*m = (struct master_text){ .count = 0 };
}

bool
master_text_fits(const struct master_text *m, struct span request, const char *part)
{
	const char *const have[] = { m->fields[0], m->fields[1], part };
	struct span one;
	size_t i = 0;

	for (; span_cut(&request, '/', &one); i++)
		if (i == 3 || (have[i] != NULL && !span_eqs(one, "*") && !span_eqs(one, have[i])))
			return false;
	return i > 0 && (part != NULL || i < 3);
}

/* -- writing ------------------------------------------------------------------------------- */

static void
put_word(struct buf *out, struct span word)
{
	bool group = word.len == 0;

	for (size_t i = 0; i < word.len; i++)
		group = group || span_has(span_str(BLANKS), word.ptr[i]);
	buf_printf(out, group ? "{%.*s}" : "%.*s", SPAN_ARG(word));
}

/* The word at *i with what belongs to it: "-o name=value". True for an option with a value. */
static bool
take_item(const struct master_text *m, const struct postconf *c, size_t *i, struct buf *item)
{
	bool option = *i < m->options && strcmp(m->words[*i], "-o") == 0 && *i + 1 < m->options;
	struct buf value = BUF_INIT(0), text = BUF_INIT(0);

	buf_reset(item);
	if (option) {
		buf_str(item, "-o ");
		(*i)++;
	}
	buf_str(&value, m->words[*i]);
	(*i)++;
	if (option && c != NULL && c->expand && postconf_expand(c, buf_view(&value), &text, NULL))
		put_word(item, buf_view(&text));
	else
		put_word(item, buf_view(&value));
	buf_clear(&value);
	buf_clear(&text);
	return option;
}

/* An option with a value has a line for itself; what is left fills lines. */
static void
fold_words(const struct master_text *m, const struct postconf *c, struct buf *out)
{
	struct buf item = BUF_INIT(0);
	size_t start = 0;
	bool alone = false;

	for (size_t i = 0; i < m->word_count; ) {
		bool option = take_item(m, c, &i, &item);
		size_t used = out->len - start;
		if (option || alone || used + 1 + item.len >= LINE_END) {
			buf_char(out, '\n');
			start = out->len;
			buf_str(out, "    ");
		} else {
			buf_char(out, ' ');
		}
		buf_span(out, buf_view(&item));
		alone = option;
	}
	buf_clear(&item);
}

void
master_text_command(const struct master_text *m, const struct postconf *c, bool fold, struct buf *out)
{
	struct buf item = BUF_INIT(0);

	buf_str(out, m->fields[MASTER_FIELDS - 1]);
	if (fold)
		fold_words(m, c, out);
	for (size_t i = 0; !fold && i < m->word_count; ) {
		(void)take_item(m, c, &i, &item);
		buf_char(out, ' ');
		buf_span(out, buf_view(&item));
	}
	buf_clear(&item);
}

void
master_text_line(const struct master_text *m, const struct postconf *c, bool fold, struct buf *out)
{
	static const size_t columns[MASTER_FIELDS] = { 0, 11, 17, 25, 33, 41, 49, 57 };

	for (size_t i = 0; i < MASTER_FIELDS - 1; i++) {
		while (i > 0 && (out->len < columns[i] || out->ptr[out->len - 1] != ' '))
			buf_char(out, ' ');
		buf_str(out, m->fields[i]);
	}
	do
		buf_char(out, ' ');
	while (out->len < columns[MASTER_FIELDS - 1]);
	master_text_command(m, c, fold, out);
}
