/* The generation as bytes: what was read, not what was made of it; thawing evaluates it again. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/pack.h"
#include "conf/private.h"

#define FORMAT	1

static void
pack_settings(struct buf *out, const struct map *m)
{
	size_t at = 0;
	struct setting *s;

	pack_u32(out, (uint32_t)m->count);
	while ((s = map_next(m, &at)) != NULL) {
		pack_span(out, span_str(s->name));
		pack_span(out, span_str(s->value));
		pack_u32(out, s->line);
	}
}

static void
pack_line(struct buf *out, const struct line *l)
{
	const struct service *s = &l->service;
	uint32_t words = 0;

	while (l->words[words] != NULL)
		words++;
	pack_u32(out, s->line);
	pack_u8(out, (uint8_t)s->type);
	pack_u8(out, (uint8_t)(s->private_ | s->unprivileged << 1 | s->chroot << 2));
	pack_i64(out, s->wakeup);
	pack_i64(out, s->maxproc);
	pack_u32(out, words);
	for (uint32_t i = 0; i < words; i++)
		pack_span(out, span_str(l->words[i]));
	pack_settings(out, &l->view.overrides);
}

void
conf_freeze(const struct conf *c, struct buf *out)
{
	size_t at = 0;
	struct conf_file *f;

	pack_u32(out, FORMAT);
	pack_span(out, span_str(c->dir));
	pack_settings(out, &c->settings);
	for (size_t i = 0; i < HOST_COUNT; i++) {
		pack_u8(out, c->host[i] != NULL);
		pack_span(out, span_str(c->host[i] == NULL ? NULL : c->host[i]->value));
	}
	pack_u32(out, (uint32_t)c->line_count);
	for (size_t i = 0; i < c->line_count; i++)
		pack_line(out, c->lines[i]);
	pack_u32(out, (uint32_t)c->files.count);
	while (c->files.key != NULL && (f = map_next(&c->files, &at)) != NULL) {
		pack_span(out, span_str(f->path));
		pack_span(out, span_of(f->data, f->len));
	}
}

static bool
is_text(struct span s)
{
	return !span_has(s, '\0');
}

static bool
unpack_settings(struct unpack *u, struct map *m)
{
	uint32_t n = unpack_u32(u);

	for (uint32_t i = 0; i < n; i++) {
		struct span name = unpack_span(u), value = unpack_span(u);
		uint32_t line = unpack_u32(u);
		if (u->fault || !is_text(name) || !is_text(value) || map_get(m, name) != NULL)
			return false;
		map_add(m, setting_new(name, value, line));
	}
	return !u->fault;
}

static bool
unpack_line(struct unpack *u, struct conf *c)
{
	struct line *l;

	MEM_NEW(l);
	l->view.overrides = MAP_INIT(setting_key);
	c->lines = mem_grow(c->lines, c->line_count + 1, sizeof(struct line *));
	c->lines[c->line_count] = l;
	struct service *s = &l->service;
	s->index = (unsigned)c->line_count++;
	s->line = unpack_u32(u);
	uint8_t type = unpack_u8(u), flags = unpack_u8(u);
	s->type = (enum service_type)type;
	s->private_ = flags & 1;
	s->unprivileged = flags & 2;
	s->chroot = flags & 4;
	s->wakeup = unpack_i64(u);
	int64_t maxproc = unpack_i64(u);
	uint32_t words = unpack_u32(u);
	if (u->fault || type > SERVICE_PASS || maxproc < 0 || maxproc > INT32_MAX || s->wakeup < 0 ||
	    words < 2 || words > u->left.len / 4)
		return false;
	s->maxproc = (int)maxproc;
	l->words = mem_array(words + 1, sizeof *l->words);
	for (uint32_t i = 0; i < words; i++) {
		struct span word = unpack_span(u);
		if (u->fault || !is_text(word))
			return false;
		l->words[i] = span_dup(word);
	}
	s->name = l->words[0];
	s->command = l->words[1];
	s->argv = l->words + 2;
	l->view.conf = c;
	l->view.service = s;
	return unpack_settings(u, &l->view.overrides);
}

static bool
unpack_files(struct unpack *u, struct conf *c)
{
	uint32_t n = unpack_u32(u);

	for (uint32_t i = 0; i < n; i++) {
		struct span path = unpack_span(u), data = unpack_span(u);
		if (u->fault || !conf_file_add(c, path, data))
			return false;
	}
	return unpack_end(u);
}

static bool
unpack_host(struct unpack *u, struct conf *c)
{
	for (size_t i = 0; i < HOST_COUNT; i++) {
		uint8_t there = unpack_u8(u);
		struct span value = unpack_span(u);
		if (u->fault || !is_text(value))
			return false;
		if (there)
			c->host[i] = setting_new(span_str(host_names[i]), value, 0);
	}
	return true;
}

static bool
unpack_conf(struct unpack *u, struct conf *c)
{
	if (!unpack_settings(u, &c->settings) || !unpack_host(u, c))
		return false;
	uint32_t n = unpack_u32(u);
	for (uint32_t i = 0; i < n; i++)
		if (!unpack_line(u, c))
			return false;
	return unpack_files(u, c);
}

static void
set_stress(struct conf *c)
{
	struct span name = SPAN("stress");

	setting_free(map_del(&c->settings, name));
	map_add(&c->settings, setting_new(name, SPAN("yes"), 0));
}

static struct conf *
thaw(struct span bytes, bool stress, struct err *err)
{
	struct unpack u = { .left = bytes };
	struct conf_problems problems = { NULL, 0, 0 };

	uint32_t format = unpack_u32(&u);
	struct span dir = unpack_span(&u);
	if (u.fault || format != FORMAT || !is_text(dir)) {
		err_set(err, ERR_SYS, "these bytes are no configuration of this version");
		return NULL;
	}
	char *name = span_dup(dir);
	struct conf *c = conf_new(name);
	free(name);
	bool ok = unpack_conf(&u, c);
	if (!ok) {
		err_set(err, ERR_SYS, "the configuration's bytes are damaged");
	} else {
		if (stress)
			set_stress(c);
		values_evaluate(c, &problems);
		ok = problems.errors == 0;
		if (!ok)
			err_set(err, ERR_SYS, "the configuration is wrong: %s", problems.items[0].text);
	}
	conf_problems_clear(&problems);
	if (ok)
		return c;
	conf_unref(c);
	return NULL;
}

struct conf *
conf_thaw(struct span bytes, struct err *err)
{
	return thaw(bytes, false, err);
}

struct conf *
conf_stressed(const struct conf *c, struct err *err)
{
	struct buf frozen = BUF_INIT(0);

	conf_freeze(c, &frozen);
	struct conf *stressed = thaw(buf_view(&frozen), true, err);
	buf_clear(&frozen);
	return stressed;
}
