#include "local/expand.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "local/tables.h"
#include "mail/address.h"
#include "mail/forward.h"
#include "mail/header.h"

#define CONFIG_ERROR	"mail system configuration error"

/* -- lists ------------------------------------------------------------------------------------------- */

char *
expand_str(struct span s)
{
	return span_dup(s);
}

void
expand_failed(struct expand *x, const struct item *it, enum outcome_status status, const char *dsn, const char *text)
{
	struct report r = { .status = OUTCOME_DEFERRED };

	report_set(&r, status, SCOPE_RECIPIENT, dsn, "%s", text);
	expand_result(x, it, &r);
}

void
expand_add(struct expand *x, const struct item *from, enum alias_kind kind, struct span text)
{
	char why[REPORT_TEXT];

	if (x->count >= EXPAND_ITEMS) {
		snprintf(why, sizeof why, "alias database loop for %.*s", SPAN_ARG(span_head(text, 200)));
		expand_failed(x, from, OUTCOME_BOUNCED, "5.4.6", why);
		return;
	}
	/* The caller's item may be in the list that grows. */
	struct item it = *from;
	it.kind = kind;
	it.text = expand_str(text);
	it.depth++;
	x->items = mem_grow(x->items, x->count + 1, sizeof *x->items);
	x->items[x->count++] = it;
}

size_t
expand_list(struct expand *x, const struct item *from, struct span text)
{
	struct buf one = BUF_INIT(65536);
	enum alias_kind kind;
	size_t n = 0;

	for (; x->count < EXPAND_ITEMS && alias_next(&text, &kind, &one); n++)
		expand_add(x, from, kind, buf_view(&one));
	buf_clear(&one);
	return n;
}

bool
expand_once(struct expand *x, const char *fmt, ...)
{
	char key[1400];
	va_list ap;
	int64_t limit = conf_int(x->job->view, P_duplicate_filter_limit);

	va_start(ap, fmt);
	vsnprintf(key, sizeof key, fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < x->seen_count; i++)
		if (strcasecmp(x->seen[i], key) == 0)
			return false;
	if (limit > 0 && (int64_t)x->seen_count >= limit)
		return true;
	x->seen = mem_grow(x->seen, x->seen_count + 1, sizeof *x->seen);
	x->seen[x->seen_count++] = mem_str(key);
	return true;
}

bool
expand_lists(const struct expand *x, enum param p, const char *word)
{
	struct span list = span_str(conf_str(x->job->view, p)), one;

	while (span_word(&list, "\t\r\n ,", &one))
		if (span_caseeqs(one, word))
			return true;
	return false;
}

bool
expand_actor(const struct expand *x, const struct item *it, struct actor *a, struct report *r)
{
	*a = it->actor;
	if (a->uid != 0)
		return true;
	const struct passwd *pw = getpwnam(conf_str(x->job->view, P_default_privs));
	if (pw != NULL) {
		*a = (struct actor){ pw->pw_uid, pw->pw_gid, NULL };
		return true;
	}
	report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.5", CONFIG_ERROR);
	report_warn(r, "default_privs: there is no such account");
	return false;
}

struct job
expand_job(const struct expand *x, const struct item *it, bool delivered)
{
	struct job job = *x->job;

	job.delivered = delivered ? span_str(it->delivered) : SPAN_NONE;
	job.recipient = span_str(it->rcpt);
	if (it->sender != NULL) {
		job.sender = span_str(it->sender);
		job.original = SPAN_NONE;
	}
	job.loops = true;	/* it was looked for */
	return job;
}

/* -- results ------------------------------------------------------------------------------------------- */

static void
put_leaf(struct expand *x, const struct item *it, const struct report *r)
{
	x->leaf_count++;
	x->leaf_other = x->leaf_other || !span_eqs(x->job->recipient, it->rcpt);
	pack_span(&x->leaves, span_str(it->rcpt));
	pack_u8(&x->leaves, it->sender != NULL);
	pack_u8(&x->leaves, r->status);
	pack_span(&x->leaves, span_str(r->dsn));
	pack_span(&x->leaves, span_str(r->text));
}

void
expand_result(struct expand *x, const struct item *it, const struct report *was)
{
	struct report said = *was, *r = &said;

	local_filter_status(x->job, r);
	if (r->warning[0] != '\0')
		report_warn(&x->last, "%s", r->warning);
	if (r->status != OUTCOME_EXPANDED)
		put_leaf(x, it, r);
	if (r->status == OUTCOME_DEFERRED || r->status == OUTCOME_BOUNCED) {
		if (!x->failed || (x->worst.status == OUTCOME_BOUNCED && r->status == OUTCOME_DEFERRED))
			x->worst = *r;
		x->failed = true;
		return;
	}
	char warning[sizeof x->last.warning];
	memcpy(warning, x->last.warning, sizeof warning);
	x->last = *r;
	memcpy(x->last.warning, warning, sizeof warning);
	x->done++;
}

/* -- new messages ---------------------------------------------------------------------------------------- */

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

void
expand_forward(struct expand *x, const struct item *it, struct span address, struct span filter)
{
	struct report r = { .status = OUTCOME_EXPANDED };
	char *to = expand_str(filter);
	size_t g = 0;

	while (g < x->group_count && !(same(it->sender, x->group[g].sender) && same(to, x->group[g].filter) &&
	    same(it->delivered, x->group[g].delivered)))
		g++;
	if (g == sizeof x->group / sizeof *x->group || (g < x->group_count && x->group[g].count >= FORWARD_ADDRESSES_MAX)) {
		report_set(&r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.4.6", "aliases have too many owners or addresses");
	} else {
		if (g == x->group_count) {
			x->group[g].sender = it->sender;
			x->group[g].filter = to;
			x->group[g].delivered = it->delivered;
			x->group_count++;
		}
		pack_span(&x->groups[g], address);
		x->group[g].count++;
		report_set(&r, OUTCOME_EXPANDED, SCOPE_RECIPIENT, "2.0.0", FORWARDED_TEXT);
	}
	expand_result(x, it, &r);
}

static void
pack_group(const struct expand *x, size_t i, struct buf *out)
{
	const struct job *job = x->job;
	bool listed = x->group[i].sender != NULL, passed = x->group[i].filter[0] != '\0';
	bool delivered = !passed && expand_lists(x, P_prepend_delivered_header, "forward");
	struct buf folded = BUF_INIT(2 * ADDRESS_MAX);

	for (const char *c = x->group[i].delivered; delivered && *c != '\0'; c++)
		buf_char(&folded, *c >= 'A' && *c <= 'Z' ? (char)(*c + ('a' - 'A')) : *c);
	/* Who wrote to a list hears nothing of its members. */
	struct forward f = { .sender = listed ? span_str(x->group[i].sender) : job->sender, .filter = span_str(x->group[i].filter),
		.delivered = buf_view(&folded), .count = x->group[i].count,
		.addresses = buf_view(&x->groups[i]), .original = listed ? SPAN_NONE : job->original,
		.orcpt = listed ? SPAN_NONE : job->orcpt,
		/* Success was told when it became another message. */
		.notify = listed ? NOTIFY_DEFAULT : job->notify == NOTIFY_SUCCESS ? NOTIFY_NEVER : (uint8_t)(job->notify & ~NOTIFY_SUCCESS) };

	forward_pack(out, &f);
	buf_clear(&folded);
}

/* For the parent (delivery.c): what to log, and what is to be made of it; that not where it will be tried again. */
static bool
write_notes(const struct expand *x, bool forwards)
{
	struct buf all = BUF_INIT(FORWARD_BYTES_MAX);
	bool made = forwards && x->group_count > 0;
	bool told = x->leaf_other || x->leaf_count + made > 1;

	pack_u8(&all, (uint8_t)((told ? NOTES_SAY_ALL : 0) | (told && made ? NOTES_FORWARDED : 0)));
	pack_span(&all, told ? buf_view(&x->leaves) : SPAN_NONE);
	for (size_t i = 0; forwards && i < x->group_count; i++) {
		struct buf one = BUF_INIT(FORWARD_BYTES_MAX);
		pack_group(x, i, &one);
		pack_span(&all, buf_view(&one));
		buf_clear(&one);
	}
	bool ok = (!told && !made) || (!all.over && x->job->forwards_fd > 0 &&
	    write(x->job->forwards_fd, all.ptr, all.len) == (ssize_t)all.len);
	buf_clear(&all);
	return ok;
}

/* -- loops ------------------------------------------------------------------------------------------------ */

/* Before anything is made of a message: did it come by here already? Never as root. */
static void
look_for_loop(void *arg, struct report *r)
{
	struct job *job = arg;
	struct message m = { 0 };
	struct header h;

	if (job_read(job, &m, r))
		report_set(r, OUTCOME_SENT, SCOPE_RECIPIENT, header_find(m.header, "Delivered-To", &h) ? "2.0.1" : "2.0.0", "no loop");
	message_clear(&m);
}

bool
expand_no_loop(struct expand *x, struct span recipient, struct report *r)
{
	struct item nobody = { .kind = ALIAS_ADDRESS };
	struct job job = *x->job;
	struct actor a;

	if (!expand_actor(x, &nobody, &a, r))
		return false;
	job.recipient = recipient;
	actor_run(x->job, &a, look_for_loop, &job, r);
	x->travelled = strcmp(r->dsn, "2.0.1") == 0;
	return r->status == OUTCOME_SENT;
}

/* -- all of it ---------------------------------------------------------------------------------------------- */

static void
one_item(struct expand *x, const struct item *it)
{
	char text[REPORT_TEXT];

	switch (it->kind) {
	case ALIAS_ADDRESS:
	case ALIAS_USER:
		expand_address(x, it, span_str(it->text));
		break;
	case ALIAS_COMMAND:
		expand_command(x, it, it->text);
		break;
	case ALIAS_FILE:
		expand_file(x, it, it->text);
		break;
	case ALIAS_INCLUDE:
		expand_include(x, it);
		break;
	case ALIAS_BAD:
		snprintf(text, sizeof text, "bad recipient address syntax: %.300s", it->text);
		expand_failed(x, it, OUTCOME_BOUNCED, "5.1.3", text);
		break;
	}
}

static void
conclude(struct expand *x, struct report *r)
{
	bool again = x->failed && (x->worst.status == OUTCOME_DEFERRED || conf_bool(x->job->view, P_soft_bounce));

	if (x->done == 0 && !x->failed)
		report_set(r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.4.6", "alias database loop: nothing is left of %.*s",
		    SPAN_ARG(span_head(x->job->recipient, 200)));
	else
		*r = x->failed ? x->worst : x->last;
	if (!write_notes(x, !again))
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", "local resources: the list of new messages cannot be kept");
	else if (x->group_count > 0 && !x->failed)
		report_set(r, OUTCOME_EXPANDED, SCOPE_RECIPIENT, "2.0.0", FORWARDED_TEXT);
	memcpy(r->warning, x->last.warning, sizeof r->warning);
}

void
local_deliver(struct job *job, struct report *r)
{
	struct expand *x;
	struct item first = { .kind = ALIAS_ADDRESS, .from = FROM_ENVELOPE, .rcpt = expand_str(job->recipient) };

	MEM_NEW(x);
	x->job = job;
	x->leaves = BUF_INIT((size_t)1 << 20);
	for (size_t i = 0; i < sizeof x->groups / sizeof *x->groups; i++)
		x->groups[i] = BUF_INIT(FORWARD_BYTES_MAX);
	if (!job->probe && !expand_no_loop(x, job->recipient, r)) {
		free(x);
		return;
	}
	first.delivered = first.rcpt;
	expand_recipient(x, &first, job->recipient);
	while (x->at < x->count) {
		struct item it = x->items[x->at++];	/* the list may grow */
		one_item(x, &it);
		if (x->failed && x->worst.status == OUTCOME_DEFERRED && x->worst.scope == SCOPE_MESSAGE)
			break;
	}
	conclude(x, r);
	router_free(x->router);
	/* The process ends: the lists go with it. */
}
