#include "smtp/transcript.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pack.h"
#include "base/role.h"
#include "base/watch.h"
#include "net/addr.h"
#include "smtp/command.h"

#define LINE_SHOWN	1000	/* of longer lines the beginning is shown */
#define PATTERN_MAX	255
#define TRACERS_MAX	64	/* bits of a mask */
#define HIDDEN		"[hidden]"

/* -- patterns --------------------------------------------------------------- */

struct match_list *
transcript_pattern(const struct conf *conf, struct span text, struct err *err)
{
	char pattern[PATTERN_MAX + 3];
	struct net_addr addr;

	if (text.len == 0 || text.len > PATTERN_MAX) {
		err_set(err, ERR_PERM, "a name, domain, address or network is needed, of at most %d bytes", PATTERN_MAX);
		return NULL;
	}
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.ptr[i] > ' ' && text.ptr[i] != ',' && text.ptr[i] != 0x7f)
			continue;
		err_set(err, ERR_PERM, "\"%.*s\" is not one name, domain, address or network", SPAN_ARG(span_head(text, 60)));
		return NULL;
	}
	/* "2001:db8::1" would be a table "2001". */
	if (span_has(text, ':') && net_addr_parse(text, 0, &addr))
		snprintf(pattern, sizeof pattern, "[%.*s]", SPAN_ARG(text));
	else
		snprintf(pattern, sizeof pattern, "%.*s", SPAN_ARG(text));
	if (*pattern == '/' || *pattern == '!' || (*pattern != '[' && strchr(pattern, ':') != NULL)) {
		err_set(err, ERR_PERM, "\"%.60s\": a name, domain, address or network is needed, no table and no file", pattern);
		return NULL;
	}
	return match_list_new(conf, "debug_peer_list", pattern, MATCH_CLIENT, err);
}

/* -- the lists -------------------------------------------------------------- */

static void
drop_peers(struct transcripts *all)
{
	for (size_t i = 0; i < all->peer_count; i++)
		match_list_free(all->peers[i].list);
	free(all->peers);
	all->peers = NULL;
	all->peer_count = 0;
}

static void
drop_tracers(struct transcripts *all)
{
	for (size_t i = 0; i < all->tracer_count; i++) {
		match_list_free(all->tracers[i].list);
		free(all->tracers[i].pattern);
	}
	free(all->tracers);
	all->tracers = NULL;
	all->tracer_count = 0;
}

void
transcripts_watch(struct transcripts *all, const struct conf *conf, const struct ipc_watch *m)
{
	struct unpack u = { .left = m->tracers };

	drop_tracers(all);
	all->serial = m->serial;
	all->version++;
	while (unpack_more(&u) && all->tracer_count < TRACERS_MAX) {
		uint8_t bit = unpack_u8(&u);
		struct span pattern = unpack_span(&u);
		if (u.fault || bit >= TRACERS_MAX)
			break;
		all->tracers = mem_grow(all->tracers, all->tracer_count + 1, sizeof *all->tracers);
		all->tracers[all->tracer_count++] = (struct tracer){
			.list = pattern.len == 0 ? NULL : transcript_pattern(conf, pattern, NULL),
			.pattern = span_dup(pattern), .bit = bit };
	}
}

void
transcripts_peers(struct transcripts *all, const struct conf *conf, const struct ipc_debug_peers *m)
{
	struct unpack u = { .left = m->peers };

	drop_peers(all);
	all->version++;
	while (unpack_more(&u) && all->peer_count < DEBUG_PEERS) {
		struct span pattern = unpack_span(&u);
		int level = unpack_u8(&u);
		struct match_list *list = u.fault ? NULL : transcript_pattern(conf, pattern, NULL);
		if (list == NULL)
			continue;
		all->peers = mem_grow(all->peers, all->peer_count + 1, sizeof *all->peers);
		all->peers[all->peer_count++] = (struct debug_peer){ list, level };
	}
}

void
transcripts_forget(struct transcripts *all)
{
	drop_peers(all);
	drop_tracers(all);
	all->version++;
}

/* -- matching --------------------------------------------------------------- */

/* "[host]:port" and "host:port" are about the host. */
static struct span
host_of(struct span nexthop)
{
	if (span_starts(nexthop, "["))
		return span_head(span_skip(nexthop, 1), span_find(span_skip(nexthop, 1), ']'));
	return span_head(nexthop, span_find(nexthop, ':'));
}

static bool
matches(const struct match_list *list, const struct transcript_peer *p)
{
	struct span host = host_of(p->nexthop);

	if (list == NULL || match_list_empty(list))
		return false;
	if (match_list_client(list, NULL, p->name, p->addr, NULL) == MATCH_YES)
		return true;
	return host.len > 0 && match_list_client(list, NULL, host, host, NULL) == MATCH_YES;
}

void
transcript_match(const struct transcripts *all, struct transcript *t, const struct transcript_peer *p)
{
	char name[TRANSCRIPT_NAME];

	/* Shown from the middle on: what comes next may be an answer to a challenge that nobody saw. */
	t->secrets = t->secrets || (t->version != 0 && !transcript_on(t));
	t->version = all->version;
	t->debug = matches(p->list, p) ? p->level : 0;
	for (size_t i = 0; i < all->peer_count; i++)
		if (all->peers[i].level > t->debug && matches(all->peers[i].list, p))
			t->debug = all->peers[i].level;
	t->tracers = 0;
	for (size_t i = 0; i < all->tracer_count; i++) {
		const struct tracer *x = &all->tracers[i];
		if (*x->pattern == '\0' || strcmp(x->pattern, transcript_name(t, name)) == 0 || matches(x->list, p))
			t->tracers |= (uint64_t)1 << x->bit;
	}
}

void
transcript_begin(struct transcripts *all, struct transcript *t, bool out)
{
	*t = (struct transcript){ .number = ++all->last, .out = out, .began = clock_mono() };
}

const char *
transcript_name(const struct transcript *t, char out[TRANSCRIPT_NAME])
{
	snprintf(out, TRANSCRIPT_NAME, "%s-%u-%llu", t->out ? "out" : "in", role_slot(), (unsigned long long)t->number);
	return out;
}

/* -- lines ------------------------------------------------------------------ */

/* What stands behind AUTH may be a mechanism, or credentials of a client that got it wrong. */
static bool
is_mechanism(struct span word)
{
	static const char *const names[] = { "PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "NTLM", "GSSAPI", "GS2-KRB5", "XOAUTH2",
		"OAUTHBEARER", "EXTERNAL", "ANONYMOUS", "KERBEROS_V4", "SRP", "OTP" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (span_caseeqs(word, names[i]))
			return true;
	return span_casestarts(word, "SCRAM-SHA-") && word.len <= 20;
}

/* "AUTH PLAIN" of "AUTH PLAIN dGVzdAB0ZXN0". */
static struct span
auth_public(struct span line)
{
	struct span rest = line, verb, word;

	if (!span_word(&rest, " \t\r", &verb))
		return line;
	if (!span_word(&rest, " \t\r", &word) || !is_mechanism(word))
		word = verb;
	return span_head(line, (size_t)(word.ptr + word.len - line.ptr));
}

static bool
is_auth(struct span line, bool *command)
{
	struct smtp_command c;

	*command = smtp_command_parse(line, &c) && c.verb != SMTP_UNKNOWN;
	return *command && c.verb == SMTP_AUTH;
}

/* The client's line; *shown: all of it that may be. */
static bool
hide_client(struct transcript *t, struct span line, struct span *shown)
{
	bool command, challenged = t->challenged;

	t->challenged = false;
	*shown = SPAN_NONE;
	if (challenged)		/* "*" gives up */
		return !span_eqs(span_trim(line), "*");
	if (is_auth(line, &command)) {
		t->secrets = true;
		*shown = auth_public(line);
		return shown->len < span_rtrim(line).len;
	}
	if (command)
		t->secrets = false;
	return t->secrets && !command;
}

/* The server's: a challenge says what the client's next line is. */
static bool
hide_server(struct transcript *t, struct span line, struct span *shown)
{
	if (!span_starts(line, "334")) {
		t->challenged = false;
		return false;
	}
	t->challenged = true;
	*shown = SPAN("334");
	return line.len > 4;
}

struct span
transcript_public(struct span words)
{
	struct span left = words, line;
	bool command;

	while (left.len > 0 && span_cut(&left, '\n', &line))
		if (is_auth(line, &command))
			return span_head(words, (size_t)(auth_public(line).ptr + auth_public(line).len - words.ptr));
	return words;
}

static void
log_it(const struct transcript *t, const char *program, const char *who, enum transcript_from from, struct span text)
{
	/* Postfix's form has no notes. */
	if (from == SAID_NOTE && t->debug >= 2)
		log_info(program, "%s: %.*s", who, SPAN_ARG(text));
	else if (from != SAID_NOTE)
		log_info(program, "%c %s: %.*s", from == SAID_BY_PEER ? '<' : '>', who, SPAN_ARG(text));
}

static void
trace_it(struct transcripts *all, const struct transcript *t, const char *who, enum transcript_from from, struct span text)
{
	struct ipc *to = watch_channel();
	char name[TRANSCRIPT_NAME];

	if (to == NULL) {
		all->lost++;
		return;
	}
	ipc_send_trace_line(to, &(struct ipc_trace_line){ .serial = all->serial, .tracers = t->tracers,
	    .time = clock_wall(), .elapsed = clock_mono() - t->began, .from = (ipc_u8)from, .lost = all->lost,
	    .session = span_str(transcript_name(t, name)), .peer = span_str(who), .text = text }, -1);
	all->lost = 0;
}

void
transcript_say(struct transcripts *all, struct transcript *t, const char *program, const char *who,
    enum transcript_from from, struct span line)
{
	char text[LINE_SHOWN + sizeof HIDDEN + 1];
	struct span shown = line;
	bool hide = false;

	if (from != SAID_NOTE)
		hide = (from == SAID_BY_PEER) != t->out ? hide_client(t, line, &shown) : hide_server(t, line, &shown);
	if (!transcript_on(t) && t->record == NULL)
		return;
	if (hide)
		snprintf(text, sizeof text, "%.*s%s" HIDDEN, SPAN_ARG(span_head(shown, LINE_SHOWN)),
		    shown.len > 0 ? " " : "");
	struct span said = hide ? span_str(text) : span_head(line, LINE_SHOWN);
	if (t->record != NULL && from != SAID_NOTE)
		buf_printf(t->record, "%s%.*s\n", from == SAID_BY_PEER ? " In:  " : " Out: ", SPAN_ARG(said));
	if (t->debug > 0)
		log_it(t, program, who, from, said);
	if (t->tracers != 0)
		trace_it(all, t, who, from, said);
}
