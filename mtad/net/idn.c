#include "net/idn.h"

#include <idn2.h>
#include <stdlib.h>

#include "base/mem.h"

#define NAME_MAX_BYTES	1000u	/* longer ones are no names in any form */

char *
idn_ascii(struct span name, bool transitional)
{
	char *own = span_dup(name), *ascii = NULL;
	int flags = IDN2_NFC_INPUT | (transitional ? IDN2_TRANSITIONAL : IDN2_NONTRANSITIONAL);

	if (span_is_ascii(name) || name.len > NAME_MAX_BYTES ||
	    idn2_lookup_u8((const uint8_t *)own, (uint8_t **)&ascii, flags) != IDN2_OK || ascii == NULL)
		return own;
	free(own);
	own = mem_str(ascii);
	idn2_free(ascii);
	return own;
}
