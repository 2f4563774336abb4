#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "conf/private.h"

static int64_t
unit_length(char unit)
{
	switch (unit) {
	case 's': return SECOND;
	case 'm': return MINUTE;
	case 'h': return HOUR;
	case 'd': return DAY;
	case 'w': return 7 * DAY;
	default: return 0;
	}
}

bool
conf_parse_time(struct span text, char unit, int64_t *out, struct err *err)
{
	struct span digits = span_trim(text);
	uint64_t n = 0;

	if (digits.len > 0 && unit_length(digits.ptr[digits.len - 1]) != 0) {
		unit = digits.ptr[digits.len - 1];
		digits = span_head(digits, digits.len - 1);
	}
	int64_t length = unit_length(unit);
	if (length == 0 || !num_u64(digits, &n)) {
		err_set(err, ERR_SYS,
		    "\"%.*s\" is not a time; write a number and a unit (s m h d w), like 30s or 5d",
		    SPAN_ARG(span_head(text, 80)));
		return false;
	}
	if (n > (uint64_t)(INT64_MAX / 4 / length)) {
		err_set(err, ERR_SYS, "\"%.*s\" is longer than any time that can be kept",
		    SPAN_ARG(span_head(text, 80)));
		return false;
	}
	*out = (int64_t)n * length;
	return true;
}

char
value_unit(const struct param_row *row)
{
	size_t n = strlen(row->def);
	if (n > 1 && unit_length(row->def[n - 1]) != 0 &&
	    (row->def[n - 2] == '}' || (row->def[n - 2] >= '0' && row->def[n - 2] <= '9')))
		return row->def[n - 1];
	return 's';
}

static bool
in_range(const struct param_row *row, int64_t n, const char *unit, struct err *err)
{
	if (n < row->min) {
		err_set(err, ERR_SYS, "%lld%s is too little; the least is %lld%s", (long long)n, unit,
		    (long long)row->min, unit);
		return false;
	}
	if (row->max > 0 && n > row->max) {
		err_set(err, ERR_SYS, "%lld%s is too much; the most is %lld%s", (long long)n, unit,
		    (long long)row->max, unit);
		return false;
	}
	return true;
}

static bool
parse_bool(struct span text, int64_t *out, struct err *err)
{
	if (!span_caseeqs(text, "yes") && !span_caseeqs(text, "no")) {
		err_set(err, ERR_SYS, "\"%.*s\" is neither yes nor no",
		    SPAN_ARG(span_head(text, 80)));
		return false;
	}
	*out = span_caseeqs(text, "yes");
	return true;
}

bool
value_parse(const struct param_row *row, struct span text, union value *v, struct err *err)
{
	struct span word = span_trim(text);
	int64_t n = 0;

	switch (row->type) {
	case PARAM_STR:
		return true;
	case PARAM_BOOL:
		if (!parse_bool(word, &n, err))
			return false;
		break;
	case PARAM_TIME:
		if (!conf_parse_time(word, value_unit(row), &n, err) ||
		    !in_range(row, n / SECOND, "s", err))
			return false;
		break;
	case PARAM_INT:
		if (!num_i64(word, &n)) {
			err_set(err, ERR_SYS, "\"%.*s\" is not a number",
			    SPAN_ARG(span_head(word, 80)));
			return false;
		}
		if (!in_range(row, n, "", err))
			return false;
		break;
	}
	v->num = n;
	return true;
}

/* These hold macros of their own ($user, $rbl_what, a literal $), which are filled in where they are used. */
bool
value_is_raw(enum param p)
{
	switch (p) {
	case P_forward_path:
	case P_mailbox_command:
	case P_luser_relay:
	case P_command_execution_directory:
	case P_default_rbl_reply:
	case P_smtpd_expansion_filter:
	case P_postscreen_expansion_filter:
	case P_smtpd_reject_footer:
	case P_postscreen_reject_footer:
		return true;
	default:
		return false;
	}
}
