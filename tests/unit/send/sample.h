/* For the tests of the send role: a message in a segment, files, connections. */
#ifndef UNIT_SEND_SAMPLE_H
#define UNIT_SEND_SAMPLE_H

#include <stdint.h>

#define NONCE		0x0102030405060708u
#define SEGMENT		3u
#define PLACE		4096u

/* Writes a message's record at PLACE and returns its length; flags are the envelope's. With a spill the body is that file's. */
uint32_t sample_message(int segment, const char *header, const char *body, uint32_t flags, const char *spill);
/* A file in memory that holds the text. */
int	sample_file(const char *text);
/* A non-blocking connection to that port of 127.0.0.1. */
int	sample_connect(uint16_t port);

#endif
