/*
 * credential_source.h
 *		Where credentials come from: environment, files, a command.
 */
#ifndef CREDENTIAL_SOURCE_H
#define CREDENTIAL_SOURCE_H

#include "strbuf.h"

extern bool credential_from_files(const char *name, StringBuf *value, StringBuf *problem);
extern bool credential_from_command(const char *name, StringBuf *value, StringBuf *problem);

#endif							/* CREDENTIAL_SOURCE_H */
