/*
 * spool dump and spool check: what the spool's files hold, with the daemon up or down.
 */
#include <unistd.h>

#include "mtactl/files.h"
#include "mtactl/session.h"
#include "spool/inspect.h"

struct dump {
	struct session	*session;
	struct span	 only;		/* a file's name, or empty */
	struct buf	 line;
	bool		 any;
};

static void
put_line(struct dump *d)
{
	struct display *out = &d->session->display;

	put_safe(out, buf_view(&d->line));
	put(out, "\n");
	buf_reset(&d->line);
	if (out->out.len > 65536)
		display_flush(out);
}

static const char *
use_text(enum segment_use use)
{
	static const char *const texts[] = { "free", "mail", "journal", "compact" };

	return (unsigned)use < sizeof texts / sizeof texts[0] ? texts[use] : "?";
}

static bool
on_segment(void *arg, const char *name, const struct segment_page *page, const char *damage)
{
	struct dump *d = arg;

	if (d->only.len > 0 && !span_eqs(d->only, name))
		return false;
	d->any = true;
	if (page == NULL) {
		buf_printf(&d->line, "segment %s: damaged: %s", name, damage == NULL ? "" : damage);
		put_line(d);
		return false;
	}
	buf_printf(&d->line, "segment %s: %s, writer %u.%u, %llu bytes%s", name, use_text(page->grant.use),
	    page->grant.slot, page->grant.epoch, (unsigned long long)page->header.size,
	    page->sealed ? ", sealed" : "");
	put_line(d);
	return true;
}

static void
on_record(void *arg, const struct segment_page *page, const struct scan_record *record)
{
	struct dump *d = arg;

	buf_str(&d->line, "  ");
	inspect_line(&d->line, page, record);
	put_line(d);
}

static void
on_corrupt(void *arg, const struct segment_page *page, const struct scan_record *record)
{
	struct dump *d = arg;

	(void)page;
	buf_printf(&d->line, "  CORRUPT at block %u, %u bytes: %s", record->loc.block, record->loc.length,
	    record->why == NULL ? "" : record->why);
	put_line(d);
}

static void
on_spill(void *arg, uint64_t spill, uint64_t size)
{
	struct dump *d = arg;

	if (d->only.len > 0)
		return;
	buf_printf(&d->line, "spill %016llx: %llu bytes", (unsigned long long)spill, (unsigned long long)size);
	put_line(d);
}

static void
on_set_aside(void *arg, const char *name, uint64_t size)
{
	struct dump *d = arg;

	if (d->only.len > 0)
		return;
	buf_printf(&d->line, "set aside %s: %llu bytes", name, (unsigned long long)size);
	put_line(d);
}

static int
dump(struct session *s, const struct request *req, int dir)
{
	static const struct inspect_ops ops = { .segment = on_segment, .record = on_record, .corrupt = on_corrupt,
	    .spill = on_spill, .set_aside = on_set_aside };
	struct dump d = { .session = s, .line = BUF_INIT(8192) };
	struct err err = { .kind = ERR_NONE };
	struct span file;
	int status = 0;

	if (request_get(req, "file", &file)) {
		size_t slash = span_rfind(file, '/');
		d.only = slash == file.len ? file : span_skip(file, slash + 1);
	}
	if (!inspect_spool(dir, &ops, &d, &err)) {
		session_say(s, "%s", err.text);
		status = 65;
	} else if (d.only.len > 0 && !d.any) {
		session_say(s, "the spool has no segment %.*s", SPAN_ARG(d.only));
		status = 1;
	}
	buf_clear(&d.line);
	return status;
}

static void
on_fault(void *arg, const char *line)
{
	struct session *s = arg;

	put_color(&s->display, COLOR_RED);
	put(&s->display, "BAD  ");
	put_color(&s->display, COLOR_NONE);
	put_safe(&s->display, span_str(line));
	put(&s->display, "\n");
}

static void
put_totals(struct display *d, const struct inspect_totals *t)
{
	put(d, "segments: %u (%u free, %u sealed, %u damaged)\n", t->segments, t->free, t->sealed, t->damaged);
	put(d, "records: %llu messages (%llu copies), %llu events, %llu bytes\n", (unsigned long long)t->messages,
	    (unsigned long long)t->copies, (unsigned long long)t->events, (unsigned long long)t->bytes);
	put(d, "corrupt records: %llu; torn tail: %llu; messages that do not parse: %llu; unreadable bytes: %llu\n",
	    (unsigned long long)t->corrupt, (unsigned long long)t->torn, (unsigned long long)t->bad_messages,
	    (unsigned long long)t->unreadable);
	put(d, "spill files: %llu, %llu bytes; set aside: %llu\n", (unsigned long long)t->spills,
	    (unsigned long long)t->spill_bytes, (unsigned long long)t->set_aside);
	if (t->checkpoint)
		put(d, "checkpoint: %s, %llu entries\n", t->checkpoint_ok ? "sound" : "DAMAGED",
		    (unsigned long long)t->checkpoint_entries);
	else
		put(d, "checkpoint: none\n");
}

static int
check(struct session *s, int dir)
{
	struct inspect_totals t = { .segments = 0 };
	struct err err = { .kind = ERR_NONE };

	if (!inspect_check(dir, &t, on_fault, s, &err)) {
		session_say(s, "%s", err.text);
		return 65;
	}
	put_totals(&s->display, &t);
	return t.damaged > 0 || t.corrupt > 0 || t.bad_messages > 0 || t.unreadable > 0
	    || (t.checkpoint && !t.checkpoint_ok) ? 1 : 0;
}

int
spool_run(struct session *s, const struct request *req)
{
	int dir, status = files_open_spool(s, &dir);

	if (status != 0)
		return status;
	status = req->command == CMD_spool_check ? check(s, dir) : dump(s, req, dir);
	close(dir);
	return status;
}
