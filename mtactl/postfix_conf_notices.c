/*
 * postconf -b and -t: the words of notices, as they go out or as the file has them.
 */
#include "mtactl/postfix_conf.h"

#include <stdio.h>

#include "conf/notice_text.h"

#define FILE_MAX	((size_t)1 << 20)

struct dump {
	const struct postconf *c;
	const char	*path;
};

static void
told(void *arg, unsigned line, const char *text)
{
	const struct dump *d = arg;

	if (line > 0)
		postfix_warn(d->c->postfix->name, "%s, line %u: %s", d->path, line, text);
	else
		postfix_warn(d->c->postfix->name, "%s: %s", d->path, text);
}

static void
put_text(struct buf *out, enum template_kind kind, const struct notice_texts *t)
{
	buf_printf(out, "expanded_%s_text = <<EOF\n", template_name(kind));
	buf_span(out, buf_view(&t->expanded[kind]));
	buf_str(out, "EOF");
}

static void
put_all(const struct postconf *c, int mode, const struct notice_texts *t)
{
	struct buf out = BUF_INIT(0);

	for (size_t i = 0; i < TEMPLATES; i++) {
		buf_str(&out, i > 0 ? "\n" : "");
		if (mode == 'b')
			put_text(&out, (enum template_kind)i, t);
		else
			notice_template_put(&out, (enum template_kind)i, &t->templates.of[i]);
		buf_char(&out, '\n');
	}
	if (c->postfix->session.display.tty)
		safe_text(&c->postfix->session.display.out, buf_view(&out), true);
	else
		buf_span(&c->postfix->session.display.out, buf_view(&out));
	buf_clear(&out);
}

static bool
read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "re");
	char chunk[4096];
	size_t n;

	if (f == NULL)
		return false;
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0 && !out->over)
		buf_put(out, chunk, n);
	bool good = !ferror(f) && !out->over;
	(void)fclose(f);
	return good;
}

int
postconf_notices(const struct postconf *c, int mode, const char *path)
{
	struct conf_problems problems = { .count = 0 };
	struct conf *conf = conf_load(c->postfix->session.conf_dir, NULL, 0, &problems);
	struct buf file = BUF_INIT(FILE_MAX);
	struct notice_texts t;
	int status = 0;

	conf_problems_clear(&problems);
	if (conf == NULL)
		return postfix_fatal(c->postfix->name, "%s: the configuration has errors: see \"postfix check\"", c->postfix->session.conf_dir);
	const struct view *view = conf_program(conf, "bounce");
	struct dump d = { c, path != NULL ? path : conf_str(view, P_bounce_template_file) };
	if (*d.path != '\0' && !read_file(d.path, &file)) {
		status = postfix_fatal(c->postfix->name, "open %s: it cannot be read, or is over 1 MiB", d.path);
	} else {
		if (notice_texts_of(&t, view, buf_view(&file), told, &d))
			put_all(c, mode, &t);
		else
			status = postfix_fatal(c->postfix->name, "%s cannot be used: notices have the texts that are built in", d.path);
		notice_texts_clear(&t);
	}
	display_flush(&c->postfix->session.display);
	buf_clear(&file);
	conf_unref(conf);
	return status;
}
