/*
 * store/id.c
 *		New execution ids.
 */
#include "common/common.h"

#include "commands/sequence.h"
#include "utils/timestamp.h"

#include "store/id.h"
#include "store/store.h"

/*
 * Returns a new execution_id.  A sequence, not shared memory, keeps ids apart:
 * a sequence works without preloading and survives a crash.
 */
int64
new_execution_id(void)
{
	return execution_id_at(GetCurrentTimestamp(), noetl_node_id,
						   nextval_internal(store_relation(REL_ID_SEQ), false));
}
