/* What a program's end and its words mean: sysexits.h, and "4.x.x text" or "5.x.x text" in what it says. */
#include <stdio.h>
#include <sys/wait.h>

#include "local/command.h"
#include "mail/dsn.h"

struct exit_row {
	int		 status;
	const char	*dsn, *text;
};

static const struct exit_row exits[] = {
	{ 64, "5.3.0", "command line usage error" }, { 65, "5.6.0", "data format error" }, { 66, "5.3.0", "cannot open input" },
	{ 67, "5.1.1", "user unknown" }, { 68, "5.1.2", "host name unknown" }, { 69, "5.3.0", "service unavailable" },
	{ 70, "5.3.0", "internal software error" }, { 71, "4.3.0", "system resource problem" },
	{ 72, "5.3.0", "critical OS file missing" }, { 73, "5.2.0", "can't create user output file" },
	{ 74, "5.3.0", "input/output error" }, { 75, "4.3.0", "temporary failure" }, { 76, "5.5.0", "remote error in protocol" },
	{ 77, "5.7.0", "permission denied" }, { 78, "5.3.5", "local configuration error" },
};

static const struct exit_row *
find_exit(int status)
{
	for (size_t i = 0; i < sizeof exits / sizeof *exits; i++)
		if (exits[i].status == status)
			return &exits[i];
	return NULL;
}

static void
set(struct report *r, const char *dsn, const char *what, struct span output)
{
	report_set(r, dsn[0] == '4' ? OUTCOME_DEFERRED : OUTCOME_BOUNCED, SCOPE_RECIPIENT, dsn, "%.300s%s%.*s", what,
	    output.len > 0 ? ". Command output: " : "", SPAN_ARG(span_head(output, 300)));
}

/* The program's own code and words; false where it says none. */
static bool
own_words(struct span output, struct report *r)
{
	char dsn[12];
	size_t n = dsn_code_len(output);

	if (n == 0 || n >= sizeof dsn || (output.ptr[0] != '4' && output.ptr[0] != '5'))
		return false;
	if (n < output.len && output.ptr[n] != ' ' && output.ptr[n] != '\t')
		return false;
	snprintf(dsn, sizeof dsn, "%.*s", (int)n, output.ptr);
	struct span text = span_ltrim(span_skip(output, n));
	report_set(r, dsn[0] == '4' ? OUTCOME_DEFERRED : OUTCOME_BOUNCED, SCOPE_RECIPIENT, dsn, "%.*s",
	    SPAN_ARG(span_head(text.len > 0 ? text : output, REPORT_TEXT - 1)));
	return true;
}

void
command_outcome(const struct command *c, int status, struct span output, struct report *r)
{
	char what[400];

	output = span_trim(output);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		if (c->quiet)
			output = SPAN_NONE;
		report_set(r, c->final ? OUTCOME_SENT : OUTCOME_RELAYED, SCOPE_RECIPIENT, "2.0.0", "%s%s%.*s%s", c->done,
		    output.len > 0 ? " (" : "", SPAN_ARG(span_head(output, 250)), output.len > 0 ? ")" : "");
		return;
	}
	const struct exit_row *row = WIFEXITED(status) ? find_exit(WEXITSTATUS(status)) : NULL;
	if (WIFSIGNALED(status)) {
		snprintf(what, sizeof what, "Command died with signal %d: \"%.200s\"", WTERMSIG(status), c->text);
		set(r, "4.3.0", what, output);
	} else if (!own_words(output, r)) {
		snprintf(what, sizeof what, "Command died with status %d: \"%.200s\"", WEXITSTATUS(status), c->text);
		set(r, row != NULL ? row->dsn : "5.3.0", row != NULL ? row->text : what, output);
	}
}
