/*
 * noetl.c
 *		Module start: the magic block, the settings and the background processes.
 */
#include "common/common.h"

#include "utils/guc.h"

#include "engine/engine.h"
#include "store/store.h"
#include "wakeup/wakeup.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

/*
 * Defines the settings and registers the background processes.  Each process that
 * loads the library calls it once.
 */
void
_PG_init(void)
{
	guc_define();
	timer_init();
	limit_settle_hook = engine_settle_limits;
#if PG_VERSION_NUM >= 150000
	MarkGUCPrefixReserved("noetl");
#else
	EmitWarningsOnPlaceholders("noetl");
#endif
}
