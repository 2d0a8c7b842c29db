/*
 * secret.h
 *		Values of credentials that were used, and cutting them out of texts.
 */
#ifndef SECRET_H
#define SECRET_H

#include "strbuf.h"

extern void secret_remember(const char *value);
extern void secret_remember_credential(const char *value);
extern void secret_redact(StringBuf *text);
extern void secret_redact_json(StringBuf *json);
extern char *secret_redacted(const char *text, size_t len);

#endif							/* SECRET_H */
