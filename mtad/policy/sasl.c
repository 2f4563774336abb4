#include "policy/sasl.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "table/match_list.h"

struct sasl {
	enum sasl_type	 type;
	const char	*path, *service, *local_domain;		/* of the view */
	unsigned	 never[2], always[2];	/* properties; [1]: with TLS */
	struct match_list *filter;
	struct match_list *hidden;
	struct tables	 passwords;
};

static const struct {
	const char	*word;
	unsigned	 never, always;
} options[] = {
	{ "noplaintext", SASL_PLAINTEXT, 0 },
	{ "noactive", SASL_ACTIVE, 0 },
	{ "nodictionary", SASL_DICTIONARY, 0 },
	{ "noanonymous", SASL_ANONYMOUS, 0 },
	{ "forward_secrecy", 0, SASL_FORWARD_SECRECY },
	{ "mutual_auth", 0, SASL_MUTUAL_AUTH },
};

static const struct sasl_mechanism mechanisms[] = {
	{ "PLAIN", SASL_PLAINTEXT, false, false },
	{ "LOGIN", SASL_PLAINTEXT, false, false },
	{ "SCRAM-SHA-1", SASL_DICTIONARY | SASL_MUTUAL_AUTH, false, false },
	{ "SCRAM-SHA-256", SASL_DICTIONARY | SASL_MUTUAL_AUTH, false, false },
	{ "SCRAM-SHA-1-PLUS", SASL_DICTIONARY | SASL_MUTUAL_AUTH, true, false },
	{ "SCRAM-SHA-256-PLUS", SASL_DICTIONARY | SASL_MUTUAL_AUTH, true, false },
	{ "EXTERNAL", 0, false, true },
};

const struct sasl_mechanism *
sasl_mechanism(size_t index)
{
	return index < sizeof mechanisms / sizeof *mechanisms ? &mechanisms[index] : NULL;
}

static bool
set_options(struct sasl *s, const struct view *v, enum param p, int tls, struct err *err)
{
	struct span list = span_str(conf_str(v, p)), word;
	size_t i;

	while (span_word(&list, "\t\r\n ,", &word)) {
		for (i = 0; i < sizeof options / sizeof *options && !span_caseeqs(word, options[i].word); i++)
			;
		if (i == sizeof options / sizeof *options) {
			err_set(err, ERR_PERM, "%s: there is no option \"%.*s\"", param_row(p)->name, SPAN_ARG(span_head(word, 60)));
			return false;
		}
		s->never[tls] |= options[i].never;
		s->always[tls] |= options[i].always;
	}
	return true;
}

static bool
set_type(struct sasl *s, const struct view *v, struct err *err)
{
	struct span type = span_str(conf_str(v, P_smtpd_sasl_type));

	if (span_eqs(type, "dovecot")) {
		s->type = SASL_DOVECOT;
		if (*s->path != '\0')
			return true;
		err_set(err, ERR_PERM, "smtpd_sasl_path: the path of Dovecot's authentication socket is needed");
		return false;
	}
	s->type = SASL_GSASL;
	if (!span_eqs(type, "gsasl")) {
		err_set(err, ERR_PERM, "smtpd_sasl_type: \"%.*s\" is not built in; use \"dovecot\" with smtpd_sasl_path, "
		    "or \"gsasl\" with mtad_sasl_password_maps and \"mtactl sasl passwd\"", SPAN_ARG(span_head(type, 40)));
		return false;
	}
	if (!tables_open(&s->passwords, view_conf(v), conf_str(v, P_mtad_sasl_password_maps), err)) {
		err_prefix(err, "mtad_sasl_password_maps");
		return false;
	}
	if (s->passwords.count > 0)
		return true;
	err_set(err, ERR_PERM, "mtad_sasl_password_maps: smtpd_sasl_type = gsasl needs a table of users");
	return false;
}

static struct match_list *
list_of(const struct view *v, enum param p, enum match_kind kind, struct err *err)
{
	struct match_list *l = match_list_new(view_conf(v), param_row(p)->name, conf_str(v, p), kind, err);

	if (l == NULL)
		err_prefix(err, "%s", param_row(p)->name);
	return l;
}

bool
sasl_new(const struct view *v, struct sasl **out, struct err *err)
{
	struct sasl *s;

	*out = NULL;
	if (!conf_bool(v, P_smtpd_sasl_auth_enable))
		return true;
	MEM_NEW(s);
	s->path = conf_str(v, P_smtpd_sasl_path);
	s->service = conf_str(v, P_smtpd_sasl_service);
	s->local_domain = conf_str(v, P_smtpd_sasl_local_domain);
	if (set_type(s, v, err) && set_options(s, v, P_smtpd_sasl_security_options, 0, err) &&
	    set_options(s, v, P_smtpd_sasl_tls_security_options, 1, err) &&
	    (s->filter = list_of(v, P_smtpd_sasl_mechanism_filter, MATCH_STRING, err)) != NULL &&
	    (s->hidden = list_of(v, P_smtpd_sasl_exceptions_networks, MATCH_CLIENT, err)) != NULL) {
		*out = s;
		return true;
	}
	sasl_free(s);
	return false;
}

void
sasl_free(struct sasl *s)
{
	if (s == NULL)
		return;
	match_list_free(s->filter);
	match_list_free(s->hidden);
	tables_clear(&s->passwords);
	free(s);
}

enum sasl_type
sasl_type(const struct sasl *s)
{
	return s->type;
}

const char *
sasl_path(const struct sasl *s)
{
	return s->path;
}

const char *
sasl_service(const struct sasl *s)
{
	return s->service;
}

struct span
sasl_local_domain(const struct sasl *s)
{
	return span_str(s->local_domain);
}

const struct tables *
sasl_passwords(const struct sasl *s)
{
	return &s->passwords;
}

bool
sasl_may(const struct sasl *s, struct span mechanism, unsigned properties, bool tls)
{
	if ((properties & SASL_PRIVATE) || (properties & s->never[tls]) || (s->always[tls] & ~properties))
		return false;
	return match_list_name(s->filter, NULL, mechanism, NULL) == MATCH_YES;
}

bool
sasl_hidden_from(const struct sasl *s, struct span client_name, struct span client_addr)
{
	return !match_list_empty(s->hidden) && match_list_client(s->hidden, NULL, client_name, client_addr, NULL) == MATCH_YES;
}
