/*
 * Domains with letters beyond ASCII, as DNS and certificates have them (IDNA2008, UTS 46): "münchen.example" is "xn--mnchen-3ya.example".
 */
#ifndef NET_IDN_H
#define NET_IDN_H

#include <stdbool.h>

#include "base/span.h"

/*
 * A new string. A name in ASCII, and one that cannot be said in it, comes back as it is. transitional: as IDNA2003 had it (enable_idna2003_compatibility), which
 * makes "ss" of "ß".
 */
char	*idn_ascii(struct span name, bool transitional);

#endif
