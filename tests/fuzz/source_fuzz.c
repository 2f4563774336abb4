/*
 * The text of a table of any type, edited: the first byte picks the type, then come a key and a value (each up to a NUL), then the text. Whatever
 * is done to it, the text that comes out is read back as what was put, nothing else of it changes, and the difference leads from the one to the other.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/textfile.h"
#include "conf/edit.h"
#include "table/source.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char *const types[] = { "texthash", "aliases", "cidr", "pcre", "pgsql" };

static char dir[64], path[128];

static void
remove_dir(void)
{
	rmdir(dir);
}

/* A file whose name is gone once it is open: however this ends, there is nothing to clean up but the directory. */
static void
write_text(const char *name, struct span text)
{
	if (dir[0] == '\0') {
		strcpy(dir, "/tmp/mtad-fuzz.XXXXXX");
		if (mkdtemp(dir) == NULL)
			abort();
		atexit(remove_dir);
	}
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	if (f == NULL)
		abort();
	fwrite(text.len == 0 ? "" : text.ptr, 1, text.len, f);
	fclose(f);
}

static size_t
count_bad(struct source *s)
{
	struct source_entry e;
	size_t n = 0;

	for (size_t i = 0; source_entry(s, i, &e); i++)
		n += e.kind == SOURCE_BAD;
	return n;
}

static void
put(struct source *s, struct span key, struct span value)
{
	struct err err = { ERR_NONE, "" };
	struct source_entry e;
	size_t index, before = source_count(s), bad = count_bad(s), found;
	bool there = source_find(s, key, 0, &found);

	if (!source_put(s, key, value, &err)) {
		if (err.text[0] == '\0' || source_edited(s))
			abort();
		return;
	}
	if (count_bad(s) != bad || !source_find(s, key, 0, &index) || !source_entry(s, index, &e))
		abort();
	if (source_count(s) != before + !there || (there && index != found))
		abort();
	if (!span_has(value, '\n')) {
		struct span want = span_trim(value);
		if (!span_eq(e.value, want))
			abort();
	}
}

static void
drop(struct source *s, struct span key)
{
	struct err err = { ERR_NONE, "" };
	size_t index;

	if (source_del(s, key, &err) && source_find(s, key, 0, &index))
		abort();
}

/* The text of main.cf goes by the same machinery. */
static void
edit_main(struct span text, struct span name, struct span value)
{
	struct err err = { ERR_NONE, "" };
	size_t index;

	write_text("main.cf", text);
	struct conf_edit *e = conf_edit_open(dir, &err);
	unlink(path);
	if (e == NULL)
		abort();
	if (conf_edit_set(e, name, value, &err)) {
		struct conf_edit_setting s;
		if (!conf_edit_find(e, span_trim(name), &index) || !conf_edit_setting(e, index, &s) || !s.counts)
			abort();
		if (!span_has(value, '\n') && !span_eq(s.value, span_trim(value)))
			abort();
		if (!conf_edit_unset(e, name, &err) || conf_edit_find(e, span_trim(name), &index))
			abort();
	}
	conf_edit_free(e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size), key, value;
	struct buf diff = BUF_INIT(0);
	struct err err = { ERR_NONE, "" };

	if (size < 1)
		return 0;
	const char *type = types[*data % (sizeof types / sizeof *types)];
	bool main_cf = *data >= 128;
	text = span_skip(text, 1);
	if (!span_cut(&text, '\0', &key) || !span_cut(&text, '\0', &value))
		return 0;
	if (main_cf) {
		edit_main(text, key, value);
		return 0;
	}
	write_text("table", text);
	struct source *s = source_open(span_str(type), path, &err);
	unlink(path);
	if (s == NULL)
		abort();
	put(s, key, value);
	source_diff(s, &diff);
	if (source_edited(s) != (diff.len > 0))
		abort();
	drop(s, key);
	(void)source_set(s, text, &err);
	if (span_eq(source_text(s), text) && source_edited(s))
		abort();
	source_free(s);
	buf_clear(&diff);
	return 0;
}
