/*
 * sendmail(1) as other programs call it: options and modes.
 */
#include "mtactl/sendmail.h"

#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/version.h"
#include "mail/address.h"
#include "mail/verp.h"
#include "mtactl/present.h"
#include "mtactl/session.h"

enum mode { MODE_MAIL, MODE_SMTP, MODE_QUEUE, MODE_FLUSH, MODE_NONE };

struct call {
	struct mail	 mail;
	struct session	 session;
	enum mode	 mode;
	const char	*no_mode;	/* MODE_NONE: what was asked for */
	const char	*flush;		/* a selector, or NULL for all */
	char		*dir;		/* of -C FILE; ours */
	char		*selector;	/* ours */
	int		 next;		/* argument */
};

static int
complain(const struct call *c, int status, const char *text, const char *arg)
{
	tell_safe(c->mail.program, "%s%s", text, arg);
	return status;
}

/* -- options -------------------------------------------------------------- */

/* Postfix's -C takes a directory, Sendmail's the file in it. */
static void
set_directory(struct call *c, const char *path)
{
	struct stat st;
	const char *slash = strrchr(path, '/');

	if (slash != NULL && slash != path && stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		free(c->dir);
		c->dir = span_dup(span_of(path, (size_t)(slash - path)));
		path = c->dir;
	}
	c->session.conf_dir = path;
}

static int
set_mode(struct call *c, const char *arg)
{
	switch (*arg) {
	case 'm':
		c->mode = MODE_MAIL;
		return 0;
	case 's':
		c->mode = MODE_SMTP;
		return 0;
	case 'p':
		c->mode = MODE_QUEUE;
		return 0;
	case 'd':
	case 'l':
		c->no_mode = "-bd: the daemon is started as \"mtad\"";
		break;
	case 'i':
		c->no_mode = "-bi: alias tables cannot be rebuilt in this version yet";
		break;
	case 'v':
		c->no_mode = "-bv: addresses cannot be verified in this version yet";
		break;
	default:
		return complain(c, EX_BAD_USAGE, "there is no mode -b", arg);
	}
	c->mode = MODE_NONE;
	return 0;
}

/* -q flushes all; -qIID, -qRsite, -qSsite some; an interval was for a daemon of sendmail's. */
static int
set_flush(struct call *c, const char *arg)
{
	struct buf text = BUF_INIT(4096);

	c->mode = MODE_FLUSH;
	if (*arg == '\0')
		return 0;
	if (*arg == 'I')
		buf_str(&text, arg + 1);
	else if (*arg == 'R')
		buf_printf(&text, "%s%s", strchr(arg + 1, '@') == NULL ? "@" : "", arg + 1);
	else if (*arg == 'S')
		buf_printf(&text, strchr(arg + 1, '@') == NULL ? "sender.domain = %s" : "sender = %s", arg + 1);
	else
		return complain(c, EX_BAD_USAGE, "-q with an interval is not for this program: mtad runs the queue by itself; got -q",
		    arg);
	free(c->selector);
	c->selector = buf_take(&text);
	c->flush = c->selector;
	return 0;
}

static int
set_body(struct call *c, const char *arg)
{
	if (strcasecmp(arg, "8BITMIME") == 0)
		c->mail.body = "8BITMIME";
	else if (strcasecmp(arg, "7BIT") == 0)
		c->mail.body = "7BIT";
	else
		return complain(c, EX_BAD_USAGE, "-B takes 7BIT or 8BITMIME, not ", arg);
	return 0;
}

static bool
is_word(const char *s, const char *more)
{
	for (; *s != '\0'; s++)
		if (!(*s > ' ' && *s < 0x7f) || strchr(more, *s) != NULL)
			return false;
	return true;
}

/* What goes into MAIL and RCPT is checked here: a blank in it would be another parameter. */
static int
set_dsn(struct call *c, char option, const char *arg)
{
	if (*arg == '\0' || strlen(arg) > 500 || !is_word(arg, option == 'V' ? "" : "=+"))
		return complain(c, EX_BAD_USAGE, "the value of a DSN option is malformed: ", arg);
	if (option == 'N')
		c->mail.notify = arg;
	else if (option == 'R')
		c->mail.ret = strcasecmp(arg, "full") == 0 ? "FULL" : "HDRS";
	else
		c->mail.envid = arg;
	return 0;
}

static int
set_old_option(struct call *c, const char *arg)
{
	if (strcmp(arg, "i") == 0 || strcmp(arg, "i=true") == 0)
		c->mail.dot_is_text = true;
	return 0;
}

/* One that takes a value. */
static int
take_value(struct call *c, char option, const char *arg)
{
	switch (option) {
	case 'f':
	case 'r':
		return mail_set_sender(&c->mail, arg) ? 0 : EX_BAD_DATA;
	case 'F':
		c->mail.full_name = arg;
		return 0;
	case 'C':
		set_directory(c, arg);
		return 0;
	case 'B':
		return set_body(c, arg);
	case 'N':
	case 'R':
	case 'V':
		return set_dsn(c, option, arg);
	case 'o':
		return set_old_option(c, arg);
	case 'X':
		if (arg[0] == 'V')
			c->mail.verp = arg + 1;
		return 0;
	default:		/* -h hops, -L tag, -O option, -p protocol, -X with a file: nothing to do with them here */
		return 0;
	}
}

/* The letters of one argument; a letter that takes a value ends it. */
static int
take_letters(struct call *c, int argc, char **argv, const char *letters)
{
	for (; *letters != '\0'; letters++) {
		char o = *letters;
		if (strchr("fFrCBNRVohLOpX", o) != NULL) {
			const char *value = letters + 1;
			if (*value == '\0' && o != 'o') {
				if (c->next == argc)
					return complain(c, EX_BAD_USAGE, "an option lacks its value: -", letters);
				value = argv[c->next++];
			}
			return take_value(c, o, value);
		}
		if (o == 'b')
			return set_mode(c, letters + 1);
		if (o == 'q')
			return set_flush(c, letters + 1);
		if (o == 'I')
			return set_mode(c, "i");
		if (strchr("itvGUnmxse", o) == NULL)
			return complain(c, EX_BAD_USAGE, "there is no option -", (char[]){ o, '\0' });
		if (o == 'e')
			return 0;	/* -em and the like */
		c->mail.from_headers |= o == 't';
		c->mail.dot_is_text |= o == 'i';
		c->mail.verbose |= o == 'v';
	}
	return 0;
}

static int
take_arguments(struct call *c, int argc, char **argv)
{
	c->next = 1;
	while (c->next < argc) {
		const char *arg = argv[c->next];
		if (arg[0] != '-' || arg[1] == '\0')
			break;
		c->next++;
		if (strcmp(arg, "--") == 0)
			break;
		int status = take_letters(c, argc, argv, arg + 1);
		if (status != 0)
			return status;
	}
	for (; c->next < argc; c->next++)
		if (c->mode == MODE_MAIL && !mail_add_recipients(&c->mail, span_str(argv[c->next])))
			return EX_BAD_DATA;
	return 0;
}

/* -- modes ---------------------------------------------------------------- */

static bool
default_sender(struct call *c)
{
	struct passwd *pw = getpwuid(getuid());
	char name[32];

	if (c->mail.sender_given)
		return true;
	if (pw != NULL)
		return mail_set_sender(&c->mail, pw->pw_name);
	snprintf(name, sizeof name, "uid-%u", (unsigned)getuid());
	return mail_set_sender(&c->mail, name);
}

/* -F, else the environment's NAME, else the user's name in the passwd file, in which "&" is the login. */
static const char *
full_name(struct call *c)
{
	struct passwd *pw = getpwuid(getuid());
	const char *name = getenv("NAME");
	struct buf text = BUF_INIT(200);

	if (c->mail.full_name != NULL)
		return c->mail.full_name;
	if (name == NULL && pw != NULL && pw->pw_gecos != NULL) {
		struct span gecos = span_str(pw->pw_gecos);
		gecos = span_head(gecos, span_find(gecos, ','));
		for (size_t i = 0; i < gecos.len; i++) {
			if (gecos.ptr[i] == '&')
				buf_str(&text, pw->pw_name);
			else
				buf_char(&text, gecos.ptr[i]);
		}
	}
	if (name == NULL && text.len > 0 && !text.over)
		name = arena_str(&c->mail.arena, buf_view(&text));
	buf_clear(&text);
	return name;
}

static size_t
size_limit(const struct conf *conf)
{
	int64_t max = conf == NULL ? 0 : conf_int(conf_main(conf), P_message_size_limit);

	return max > 0 && max < (int64_t)1 << 31 ? (size_t)max : (size_t)1 << 31;
}

static int
hand_over(struct call *c)
{
	const struct conf *conf = c->session.conf;
	struct buf path = BUF_INIT(4096);
	int status;

	session_path(&c->session, "public/submit", &path);
	status = mail_submit(&c->mail, path.ptr);
	if (status == EX_LATER) {
		buf_reset(&path);
		session_path(&c->session, "maildrop", &path);
		status = mail_drop(&c->mail, path.ptr, conf == NULL ? "/usr/sbin" : conf_str(conf_main(conf), P_command_directory));
	}
	buf_clear(&path);
	return status;
}

/* What -XV asks for, as the site allows it. */
static int
check_verp(struct call *c)
{
	const struct view *v = c->session.conf == NULL ? NULL : conf_main(c->session.conf);
	const char *filter = v == NULL ? "-=+" : conf_str(v, P_verp_delimiter_filter);
	struct mail *m = &c->mail;

	if (m->verp == NULL)
		return EX_FINE;
	if (m->verp[0] == '\0')
		m->verp = v == NULL ? "+=" : conf_str(v, P_default_verp_delimiters);
	if (!verp_delimiters_ok(span_str(m->verp), filter))
		return complain(c, EX_LATER, "-V requires two characters from ", filter);
	if (m->sender.len == 0)
		return complain(c, EX_BAD_USAGE, "-V needs a sender: there is nobody to return mail to", "");
	return EX_FINE;
}

static int
send_mail(struct call *c)
{
	const struct conf *conf = c->session.conf;
	int status;

	c->mail.full_name = full_name(c);
	if (!default_sender(c))
		return EX_BAD_DATA;
	status = check_verp(c);
	if (status != EX_FINE)
		return status;
	status = mail_read(&c->mail, stdin, size_limit(conf));
	if (status != EX_FINE)
		return status;
	if (!mail_finish_header(&c->mail, conf == NULL ? "localhost" : conf_str(conf_main(conf), P_myorigin)))
		return EX_BAD_DATA;
	if (c->mail.rcpt_count == 0)
		return complain(c, EX_BAD_USAGE, "no recipient is given",
		    c->mail.from_headers ? ", and the headers name none" : "");
	return hand_over(c);
}

static int
relay_smtp(struct call *c)
{
	struct buf path = BUF_INIT(4096);

	session_path(&c->session, "public/submit", &path);
	int status = mail_relay_smtp(c->mail.program, path.ptr);
	buf_clear(&path);
	return status;
}

static int
run_command(struct call *c, const char *first, const char *second)
{
	struct span words[3];
	size_t n = 0;

	for (struct span left = span_str(first), word; span_word(&left, " ", &word); )
		words[n++] = word;
	if (second != NULL)
		words[n++] = span_str(second);
	c->session.name = c->mail.program;
	return session_run(&c->session, words, n);
}

static int
run(struct call *c)
{
	if (c->mode == MODE_NONE)
		return complain(c, EX_DOWN, c->no_mode, "");
	session_locate(&c->session);
	switch (c->mode) {
	case MODE_SMTP:
		return relay_smtp(c);
	case MODE_QUEUE:
		c->session.present = &present_mailq;
		return run_command(c, "queue ls", NULL);
	case MODE_FLUSH: {
		c->session.quiet = true;
		int status = run_command(c, "flush", c->flush);
		return status == 1 ? 0 : status;	/* nothing to flush is no error to sendmail -q */
	}
	default:
		return send_mail(c);
	}
}

int
sendmail_main(const char *name, int argc, char **argv)
{
	const char *dir = getenv("MAIL_CONFIG");
	struct call c = {
		.mail = { .program = name, .arena = ARENA_INIT((size_t)256 << 20) },
		.session = { .name = name, .conf_dir = dir != NULL ? dir : MTAD_CONFIG_DIR },
	};
	int status;

	(void)signal(SIGPIPE, SIG_IGN);
	status = take_arguments(&c, argc, argv);
	if (status == 0)
		status = run(&c);
	mail_clear(&c.mail);
	session_clear(&c.session);
	free(c.dir);
	free(c.selector);
	return status;
}
