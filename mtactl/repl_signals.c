#include <stddef.h>

#include "mtactl/repl.h"

static volatile sig_atomic_t interrupted, resized, terminated;
static const int watched[] = { SIGINT, SIGWINCH, SIGTERM, SIGHUP };

static void
note(int signo)
{
	if (signo == SIGINT)
		interrupted = 1;
	else if (signo == SIGWINCH)
		resized = 1;
	else
		terminated = 1;
}

/* They are let in only while waiting: no moment between the look at a flag and the wait can lose one. */
void
repl_signals_init(struct repl *r)
{
	struct sigaction act = { .sa_handler = note };
	sigset_t block;

	sigemptyset(&block);
	for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++) {
		sigaction(watched[i], &act, NULL);
		sigaddset(&block, watched[i]);
	}
	signal(SIGTSTP, SIG_IGN);
	sigprocmask(SIG_BLOCK, &block, &r->open);
	for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++)
		sigdelset(&r->open, watched[i]);
}

void
repl_signals_restore(void)
{
	sigset_t open;

	sigemptyset(&open);
	for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++) {
		signal(watched[i], SIG_DFL);
		sigaddset(&open, watched[i]);
	}
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &open, NULL);
}

static bool
take(volatile sig_atomic_t *flag)
{
	bool was = *flag != 0;

	*flag = 0;
	return was;
}

bool
repl_take_interrupt(void)
{
	return take(&interrupted);
}

bool
repl_take_resize(void)
{
	return take(&resized);
}

bool
repl_terminated(void)
{
	return terminated != 0;
}
