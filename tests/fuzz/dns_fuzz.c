/* A DNS message: every answer read as everything that it could be. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/dns_packet.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size == 0 ? 1 : size), name[DNS_NAME];
	struct dns_packet p;
	struct dns_record r;
	struct dns_srv srv;
	uint16_t preference;

	if (size > 0)
		memcpy(copy, data, size);
	if (dns_packet_open(&p, span_of(copy, size))) {
		while (dns_packet_next(&p, &r)) {
			if (dns_record_mx(&p, &r, &preference, name) && strlen(name) > 253)
				abort();
			if (dns_record_srv(&p, &r, &srv, name) && strlen(name) > 253)
				abort();
			if (dns_record_name(&p, &r, name) && strlen(name) > 253)
				abort();
		}
	}
	free(copy);
	return 0;
}
