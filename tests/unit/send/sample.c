#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/send/sample.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spool/message.h"
#include "spool/record.h"
#include "spool/writer.h"

int
sample_file(const char *text)
{
	int fd = memfd_create("test", 0);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

uint32_t
sample_message(int segment, const char *header, const char *body, uint32_t flags, const char *spill)
{
	struct recipient r = { .address = SPAN("b@good.test") };
	struct buf packed = BUF_INIT(0), head = BUF_INIT(0), record = BUF_INIT(0);
	struct iovec iov[MESSAGE_IOV];

	recipient_pack(&packed, &r);
	struct envelope e = { .id = { 1000000, 1 }, .arrival = 1, .size = 100, .flags = flags,
		.recipients = buf_view(&packed), .recipient_count = 1, .spill = spill != NULL };
	int n = message_layout(&head, &e, span_str(header), span_str(body), spill == NULL ? 0 : strlen(spill), iov);
	buf_put(&record, "00000000000000000000000000000000", RECORD_HEADER);
	for (int i = 0; i < n; i++)
		buf_put(&record, iov[i].iov_base, iov[i].iov_len);
	struct record_head h = { .type = RECORD_MESSAGE, .length = (uint32_t)(record.len - RECORD_HEADER), .sequence = 1 };
	record_finish((unsigned char *)record.ptr, NONCE, PLACE, &h);
	assert_int_equal(pwrite(segment, record.ptr, record.len, PLACE), record.len);
	uint32_t length = (uint32_t)record.len;
	buf_clear(&packed);
	buf_clear(&head);
	buf_clear(&record);
	return length;
}

int
sample_connect(uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}
