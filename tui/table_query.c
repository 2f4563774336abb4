/*
 * What a table answers for a key; and small things that views of files share.
 */
#include <ctype.h>
#include <stdio.h>

#include "mtactl/display.h"
#include "tui/table_view.h"

void
file_look(const char *path, struct stat *st)
{
	if (stat(path, st) < 0)
		*st = (struct stat){ .st_size = 0 };
}

bool
file_changed(const char *path, const struct stat *was)
{
	struct stat now;

	file_look(path, &now);
	return now.st_ino != was->st_ino || now.st_dev != was->st_dev || now.st_size != was->st_size || now.st_mode != was->st_mode ||
	    now.st_mtim.tv_sec != was->st_mtim.tv_sec || now.st_mtim.tv_nsec != was->st_mtim.tv_nsec;
}

void
put_path(struct buf *out, struct span path, int width)
{
	struct buf safe = BUF_INIT(8192);
	bool cut = false;

	safe_text(&safe, span_head(path, 2048), false);
	struct span rest = buf_view(&safe);
	while (rest.len > 0 && span_starts(path, "/") && paint_width(rest) > width - (cut ? 3 : 0)) {
		int w;
		rest = span_skip(rest, paint_char(rest, &w));
		cut = true;
	}
	if (cut)
		buf_str(out, "...");
	buf_span(out, rest);
	buf_clear(&safe);
}

void
put_shell_word(struct buf *out, struct span word)
{
	bool plain = word.len > 0;

	for (size_t i = 0; i < word.len && plain; i++)
		plain = isalnum((unsigned char)word.ptr[i]) || strchr("@%+=:,./_-", word.ptr[i]) != NULL;
	if (plain) {
		buf_span(out, word);
		return;
	}
	buf_char(out, '\'');
	for (size_t i = 0; i < word.len; i++) {
		if (word.ptr[i] == '\'')
			buf_str(out, "'\\'");
		buf_char(out, word.ptr[i]);
	}
	buf_char(out, '\'');
}

/* The configuration only says how tables are read: one that is wrong does not stop the question. */
static struct conf *
any_conf(struct console *con)
{
	struct conf_problems problems = { .count = 0 };
	struct conf *conf = conf_load(con->conf_dir, con->overrides, con->override_count, &problems);

	conf_problems_clear(&problems);
	if (conf == NULL)
		conf = conf_parse(con->conf_dir, SPAN_NONE, SPAN_NONE, &problems);
	conf_problems_clear(&problems);
	return conf;
}

bool
table_query(struct console *con, const char *spec, struct span key)
{
	struct err err = { .kind = ERR_NONE };
	struct buf value = BUF_INIT(65536), command = BUF_INIT(400);
	struct conf *conf = any_conf(con);
	enum table_result r = conf == NULL ? TABLE_FAILED : table_ask(conf, span_str(spec), key, &value, &err);

	buf_str(&command, "$ mtactl map query ");
	put_shell_word(&command, span_str(spec));
	buf_char(&command, ' ');
	put_shell_word(&command, key);
	if (r == TABLE_FOUND)
		console_say(con, STYLE_GOOD, "%.*s: %.*s  %s", SPAN_ARG(span_head(key, 100)), SPAN_ARG(span_head(buf_view(&value), 250)), command.ptr);
	else if (r == TABLE_ABSENT)
		console_say(con, STYLE_WARN, "%.*s: not in the table  %s", SPAN_ARG(span_head(key, 100)), command.ptr);
	else
		console_say(con, STYLE_BAD, "%s", conf == NULL ? "there is no configuration" : err.text);
	conf_unref(conf);
	buf_clear(&value);
	buf_clear(&command);
	return r == TABLE_FOUND;
}
