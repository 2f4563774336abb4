/*
 * The message as it stands in a mailbox: with Return-Path:, X-Original-To: and Delivered-To: before its header.
 */
#ifndef LOCAL_CONTENT_H
#define LOCAL_CONTENT_H

#include "local/job.h"
#include "local/writer.h"
#include "spool/message.h"

void	content_put(struct file_writer *, const struct job *, const struct message *);

#endif
