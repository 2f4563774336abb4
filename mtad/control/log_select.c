/*
 * Lines of the log against a selector. A line names little of its message: sender in one, a recipient in the next, the client in
 * a third. So what lines said of a queue ID is remembered (a bounded number of them, the longest unused goes first), and a message that
 * matched by one line matches by all that follow.
 */
#include "control/private.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "ctl/selector.h"
#include "mail/queue_id.h"

#define MESSAGES_MAX	1024
#define RCPTS_MAX	16	/* remembered of one message: the latest */
#define FACT_MAX	320	/* bytes */

struct known {
	struct known	*prev, *next;
	char		 id[QID_TEXT];
	char		*sender, *client;
	char		*rcpts[RCPTS_MAX];
	unsigned	 rcpt_count, rcpt_at;
};

struct mail_known {
	struct map	 by_id;
	struct known	*newest, *oldest;
};

/* -- what a line says -------------------------------------------------------- */

/* "from=<a@b>" where it is a word of its own; false where the line has none. */
static bool
find_address(struct span text, const char *key, struct span *out)
{
	size_t n = strlen(key);

	for (size_t i = 0; i + n < text.len; i++) {
		if ((i > 0 && text.ptr[i - 1] != ' ') || memcmp(text.ptr + i, key, n) != 0)
			continue;
		struct span rest = span_skip(text, i + n);
		for (size_t k = 0; k < rest.len; k++) {
			if (rest.ptr[k] != '>' || (k + 1 < rest.len && strchr(",; ", rest.ptr[k + 1]) == NULL))
				continue;
			*out = span_head(rest, k);
			return true;
		}
		return false;
	}
	return false;
}

/* "client=name[addr]", "from name[addr]", "< name[addr]: ". */
static bool
find_client(struct span text, struct span *out)
{
	static const char *const before[] = { " client=", " from ", "< ", "> " };

	for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
		size_t n = strlen(before[i]);
		const char *at = memmem(text.ptr, text.len, before[i], n);
		if (at == NULL || (i >= 2 && at != text.ptr))
			continue;
		struct span rest = span_of(at + n, text.len - (size_t)(at + n - text.ptr));
		struct span word = span_head(rest, span_find(rest, ' '));
		size_t end = span_find(word, ']');
		if (end == word.len || !span_has(span_head(word, end), '['))
			continue;
		*out = span_head(word, end + 1);
		return true;
	}
	return false;
}

struct facts_of_line {
	struct span	sender, rcpt, client;
	bool		has_sender, has_rcpt, has_client;
};

static void
read_line(struct span text, struct facts_of_line *f)
{
	f->has_sender = text.len > 0 && find_address(text, "from=<", &f->sender);
	f->has_rcpt = text.len > 0 && find_address(text, "to=<", &f->rcpt);
	f->has_client = text.len > 0 && find_client(text, &f->client);
}

/* -- what is known ------------------------------------------------------------ */

static struct span
known_key(const void *item)
{
	return span_str(((const struct known *)item)->id);
}

struct mail_known *
mail_known_new(void)
{
	struct mail_known *all;

	MEM_NEW(all);
	all->by_id = MAP_INIT(known_key);
	return all;
}

static void
known_free(struct known *k)
{
	free(k->sender);
	free(k->client);
	for (unsigned i = 0; i < k->rcpt_count; i++)
		free(k->rcpts[i]);
	free(k);
}

void
mail_known_free(struct mail_known *all)
{
	if (all == NULL)
		return;
	while (all->newest != NULL) {
		struct known *k = all->newest;
		all->newest = k->next;
		known_free(k);
	}
	map_clear(&all->by_id);
	free(all);
}

static void
take_out(struct mail_known *all, struct known *k)
{
	if (k->prev != NULL)
		k->prev->next = k->next;
	else
		all->newest = k->next;
	if (k->next != NULL)
		k->next->prev = k->prev;
	else
		all->oldest = k->prev;
	k->prev = k->next = NULL;
}

static void
put_first(struct mail_known *all, struct known *k)
{
	k->next = all->newest;
	if (k->next != NULL)
		k->next->prev = k;
	else
		all->oldest = k;
	all->newest = k;
}

static struct known *
find(struct mail_known *all, struct span id)
{
	return all == NULL || id.len == 0 ? NULL : map_get(&all->by_id, id);
}

static struct known *
find_or_add(struct mail_known *all, struct span id)
{
	struct known *k = find(all, id);

	if (k != NULL) {
		take_out(all, k);
		put_first(all, k);
		return k;
	}
	if (all->by_id.count >= MESSAGES_MAX) {
		k = all->oldest;
		take_out(all, k);
		map_del(&all->by_id, known_key(k));
		known_free(k);
	}
	MEM_NEW(k);
	memcpy(k->id, id.ptr, id.len);	/* log_queue_id has seen that it fits */
	map_add(&all->by_id, k);
	put_first(all, k);
	return k;
}

static void
set_fact(char **to, struct span value)
{
	free(*to);
	*to = span_dup(span_head(value, FACT_MAX));
}

static void
add_rcpt(struct known *k, struct span rcpt)
{
	for (unsigned i = 0; i < k->rcpt_count; i++)
		if (span_eqs(rcpt, k->rcpts[i]))
			return;
	if (k->rcpt_count < RCPTS_MAX)
		k->rcpt_at = k->rcpt_count++;
	else
		k->rcpt_at = (k->rcpt_at + 1) % RCPTS_MAX;
	set_fact(&k->rcpts[k->rcpt_at], rcpt);
}

void
mail_known_learn(struct mail_known *all, const struct log_entry *e)
{
	struct span id = log_queue_id(e->text);
	struct facts_of_line f;

	if (id.len == 0)
		return;
	read_line(e->text, &f);
	if (!f.has_sender && !f.has_rcpt && !f.has_client)
		return;
	struct known *k = find_or_add(all, id);
	if (f.has_sender)
		set_fact(&k->sender, f.sender);
	if (f.has_client)
		set_fact(&k->client, f.client);
	if (f.has_rcpt)
		add_rcpt(k, f.rcpt);
}

/* -- selectors ---------------------------------------------------------------- */

struct row {
	const struct log_entry *entry;
	struct span	 id;
	struct facts_of_line line;
	const struct known *known;	/* NULL */
};

static uint32_t
row_recipients(const void *arg)
{
	const struct row *r = arg;

	return (r->line.has_rcpt ? 1u : 0u) + (r->known == NULL ? 0 : r->known->rcpt_count);
}

static bool
text_is(struct span *out, struct span value)
{
	*out = value;
	return value.ptr != NULL;
}

static struct span
rcpt_of(const struct row *r, uint32_t n)
{
	if (r->line.has_rcpt && n == 0)
		return r->line.rcpt;
	n -= r->line.has_rcpt ? 1 : 0;
	return r->known == NULL || n >= r->known->rcpt_count ? SPAN_NONE : span_str(r->known->rcpts[n]);
}

static struct span
domain_of(struct span address)
{
	size_t at = span_rfind(address, '@');

	return at == address.len ? SPAN_NONE : span_skip(address, at + 1);
}

static struct span
sender_of(const struct row *r)
{
	return r->line.has_sender ? r->line.sender : r->known == NULL ? SPAN_NONE : span_str(r->known->sender);
}

static bool
row_text(const void *arg, enum selector_field field, uint32_t n, struct span *out)
{
	static const char *const severity[] = { "info", "warning", "error", "fatal", "panic" };
	const struct row *r = arg;

	switch (field) {
	case SEL_ID:
		return text_is(out, r->id);
	case SEL_SENDER:
		return text_is(out, sender_of(r));
	case SEL_SENDER_DOMAIN:
		return text_is(out, domain_of(sender_of(r)));
	case SEL_RCPT:
		return text_is(out, rcpt_of(r, n));
	case SEL_RCPT_DOMAIN:
		return text_is(out, domain_of(rcpt_of(r, n)));
	case SEL_CLIENT:
		return text_is(out, r->line.has_client ? r->line.client :
		    r->known == NULL ? SPAN_NONE : span_str(r->known->client));
	case SEL_PROGRAM:
		return text_is(out, r->entry->program);
	case SEL_SEVERITY:
		return text_is(out, span_str(severity[r->entry->level]));
	case SEL_ROLE:
		return text_is(out, span_str(role_name(r->entry->role)));
	case SEL_TEXT:
	case SEL_REASON:
		return text_is(out, r->entry->text);
	default:
		return false;
	}
}

static bool
row_number(const void *row, enum selector_field field, uint32_t n, int64_t *out)
{
	(void)row;
	(void)field;
	(void)n;
	(void)out;
	return false;
}

bool
log_matches(const struct selector *sel, struct mail_known *known, const struct log_entry *e)
{
	static const struct selector_row_ops ops = { row_recipients, row_text, row_number };
	struct row r = { .entry = e, .id = log_queue_id(e->text) };

	read_line(e->text, &r.line);
	r.known = find(known, r.id);
	return selector_match(sel, &ops, &r);
}
