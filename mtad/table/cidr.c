/* cidr:/path: "network value" a line, in order; "!network", "if network ... endif". */
#include <stdlib.h>

#include "base/mem.h"
#include "conf/lines.h"
#include "table/network.h"
#include "table/type.h"

#define NESTING_MAX	50

enum rule_kind { RULE_VALUE, RULE_IF };

struct rule {
	enum rule_kind	 kind;
	bool		 negated;
	struct network	 network;
	char		*value;
	unsigned	 line;
	size_t		 skip;		/* RULE_IF: the place behind its endif */
};

struct cidr {
	struct rule	*rules;
	size_t		 count;
	size_t		 open[NESTING_MAX];	/* the ifs that are not ended, while reading */
	size_t		 depth;
};

static void
cidr_close(void *state)
{
	struct cidr *c = state;

	for (size_t i = 0; i < c->count; i++)
		free(c->rules[i].value);
	free(c->rules);
	free(c);
}

static void
end_if(struct cidr *c, struct span path, unsigned number)
{
	if (c->depth == 0)
		table_warn(path, number, "ENDIF without IF: skipping this rule");
	else
		c->rules[c->open[--c->depth]].skip = c->count;
}

/* False with the reason where the rule is to be passed over. */
static bool
parse_rule(struct span line, struct rule *r, struct err *err)
{
	struct span rest = line, word;

	*r = (struct rule){ .kind = RULE_VALUE };
	span_word(&rest, " \t", &word);
	if (span_caseeqs(word, "if")) {
		r->kind = RULE_IF;
		if (!span_word(&rest, " \t", &word)) {
			err_set(err, ERR_SYS, "no address pattern");
			return false;
		}
	}
	while (word.len > 0 && word.ptr[0] == '!') {
		r->negated = !r->negated;
		word = span_skip(word, 1);
		if (word.len == 0)
			span_word(&rest, " \t", &word);
	}
	if (!network_parse(word, &r->network, err))
		return false;
	rest = span_trim(rest);
	if (r->kind == RULE_VALUE && rest.len == 0) {
		err_set(err, ERR_SYS, "no lookup result");
		return false;
	}
	r->value = span_dup(rest);
	return true;
}

static void
add_line(struct cidr *c, struct span path, struct span line, unsigned number)
{
	struct err err = { ERR_NONE, "" };
	struct span rest = line, word;
	struct rule r;

	if (span_word(&rest, " \t", &word) && span_caseeqs(word, "endif")) {
		end_if(c, path, number);
		return;
	}
	if (!parse_rule(line, &r, &err)) {
		table_warn(path, number, "%s: skipping this rule", err.text);
		return;
	}
	if (r.kind == RULE_IF && c->depth == NESTING_MAX) {
		table_warn(path, number, "IFs within IFs, more than %d: skipping this rule", NESTING_MAX);
		free(r.value);
		return;
	}
	if (r.kind == RULE_IF)
		c->open[c->depth++] = c->count;
	r.line = number;
	c->rules = mem_grow(c->rules, c->count + 1, sizeof *c->rules);
	c->rules[c->count++] = r;
}

static bool
cidr_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct conf_lines lines = { .next = 1, .text = BUF_INIT(1 << 20) };
	struct buf space;
	struct span line;
	struct cidr *c;
	unsigned number = 0;

	if (!table_text(conf, "cidr", name, &space, &lines.rest, err))
		return false;
	MEM_NEW(c);
	while (conf_lines_next(&lines, &line, &number))
		if (table_line_ok(name, number, &lines, line))
			add_line(c, name, line, number);
	while (c->depth > 0) {
		table_warn(name, number, "IF without its ENDIF");
		c->rules[c->open[--c->depth]].skip = c->count;
	}
	buf_clear(&lines.text);
	buf_clear(&space);
	*state = c;
	return true;
}

static enum table_result
cidr_get(const void *state, struct span self, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	const struct cidr *c = state;
	struct ip ip;

	(void)self;
	(void)facts;
	(void)err;
	if (!ip_parse(key, &ip))
		return TABLE_ABSENT;
	for (size_t i = 0; i < c->count; i++) {
		const struct rule *r = &c->rules[i];
		/* "!" is about addresses of the same family, as with Postfix. */
		bool match = r->network.ip.len == ip.len && network_has(&r->network, &ip) != r->negated;
		if (r->kind == RULE_IF && !match)
			i = r->skip - 1;
		if (r->kind == RULE_VALUE && match) {
			table_matched(r->line);
			buf_str(value, r->value);
			return TABLE_FOUND;
		}
	}
	return TABLE_ABSENT;
}

const struct table_type table_cidr = { "cidr", cidr_open, cidr_close, cidr_get, .flags = TABLE_PATTERN | TABLE_TEXT };
