/*
 * url.h
 *		Parts of URLs, and what must not be shown of them.
 */
#ifndef URL_H
#define URL_H

#include <curl/curl.h>
#include <stdbool.h>

#include "strbuf.h"

extern bool url_same_origin(CURLU *a, CURLU *b);
extern bool url_is_bound(CURLU *url, const char *hosts);
extern void cut_userinfo(StringBuf *text);

#endif							/* URL_H */
