/* mtad: as a user starts it, the master; as the master starts it ("--role=NAME --slot=N"), one of the roles. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/num.h"
#include "base/role.h"
#include "control/control.h"
#include "local/local.h"
#include "lookup/lookup.h"
#include "master/master.h"
#include "queue/queue.h"
#include "receive/receive.h"
#include "send/send.h"
#include "state/state.h"

static const struct role_spec *(*const specs[ROLE_COUNT])(void) = {
	[ROLE_RECEIVE] = receive_role,
	[ROLE_QUEUE] = queue_role,
	[ROLE_SEND] = send_role,
	[ROLE_LOCAL] = local_role,
	[ROLE_LOOKUP] = lookup_role,
	[ROLE_STATE] = state_role,
	[ROLE_CONTROL] = control_role,
};

static int
run_role(const char *name, const char *slot_text)
{
	enum role role;
	uint32_t slot;

	if (!role_parse(span_str(name), &role) || specs[role] == NULL || strncmp(slot_text, "--slot=", 7) != 0 ||
	    !num_u32(span_str(slot_text + 7), &slot)) {
		fprintf(stderr, "mtad: --role is for mtad itself\n");
		return EX_USAGE;
	}
	return role_main(specs[role](), slot);
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strncmp(argv[1], "--role=", 7) == 0)
		return run_role(argv[1] + 7, argv[2]);
	return master_main(argc, argv);
}
