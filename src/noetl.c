/*
 * noetl.c
 *		Module start: the magic block; settings and background processes are
 *		registered.
 */
#include "common/common.h"

#include "utils/guc.h"

#include "wakeup/wakeup.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

/* Registers what the library brings; called once by each process that loads it. */
void
_PG_init(void)
{
	guc_define();
	timer_init();
#if PG_VERSION_NUM >= 150000
	MarkGUCPrefixReserved("noetl");
#else
	EmitWarningsOnPlaceholders("noetl");
#endif
}
