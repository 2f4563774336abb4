/*
 * The programs that mtactl is by other names.
 */
#include <string.h>

#include "mtactl/repl.h"
#include "mtactl/session.h"

bool
is_other_name(const char *name)
{
	static const char *const names[] = { "sendmail", "mailq", "postqueue", "postsuper", "postcat", "postmap", "postalias", "postconf",
	    "newaliases", "postfix", "postmulti" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

int
other_name_main(const char *name, int argc, char **argv)
{
	return strcmp(name, "sendmail") == 0 ? sendmail_main(name, argc, argv) : postfix_main(name, argc, argv);
}
