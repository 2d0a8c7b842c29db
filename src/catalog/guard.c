/*
 * catalog/guard.c
 *		The triggers of noetl.catalog, which protects registered playbooks, and of
 *		noetl.catalog_path.
 */
#include "common/common.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/rel.h"

#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(noetl_catalog_guard);
PG_FUNCTION_INFO_V1(noetl_catalog_path_changed);

/* Returns whether two versions of a row are equal in all columns but "meta". */
static bool
same_definition(HeapTuple old, HeapTuple new, TupleDesc desc)
{
	int			i;

	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		bool		old_null;
		bool		new_null;
		Datum		old_value = heap_getattr(old, i + 1, desc, &old_null);
		Datum		new_value = heap_getattr(new, i + 1, desc, &new_null);

		if (attribute->attisdropped ||
			strcmp(NameStr(attribute->attname), "meta") == 0)
			continue;
		if (old_null != new_null ||
			(!old_null && !datum_image_eq(old_value, new_value,
										  attribute->attbyval,
										  attribute->attlen)))
			return false;
	}
	return true;
}

/*
 * Raises unless the current role may write rows of the path in a row: it is a
 * member of the table's owner, which restores dumps, or may act for the owner of
 * the path.  Who writes the first row of a path owns it from then on.
 */
static void
check_path(Relation relation, HeapTuple row, TupleDesc desc)
{
	bool		isnull;
	Datum		path;

	if (has_privs_of_role(GetUserId(), relation->rd_rel->relowner))
		return;
	path = heap_getattr(row, SPI_fnumber(desc, "path"), desc, &isnull);
	if (!isnull)
		catalog_claim_path(DatumGetTextPP(path));
}

/*
 * BEFORE INSERT OR UPDATE OR DELETE ON noetl.catalog FOR EACH ROW: raises when the
 * path is another role's, when a row would change, or when executions refer to a
 * deleted row.  Executions and compiled playbooks depend on the row as it was
 * registered.
 */
Datum
noetl_catalog_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	HeapTuple	row;
	int64		catalog_id;
	bool		isnull;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("noetl.catalog_guard() must be called as a row trigger before INSERT, UPDATE or DELETE")));
	row = trigger->tg_trigtuple;
	desc = RelationGetDescr(trigger->tg_relation);
	check_path(trigger->tg_relation, row, desc);
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		return PointerGetDatum(row);
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
	{
		if (!same_definition(row, trigger->tg_newtuple, desc))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("a registered playbook cannot be changed"),
					 errdetail("Only column \"meta\" of noetl.catalog can be updated."),
					 errhint("Register the new text with noetl.register(): it becomes the next version.")));
		return PointerGetDatum(trigger->tg_newtuple);
	}
	catalog_id = DatumGetInt64(heap_getattr(row, SPI_fnumber(desc, "catalog_id"),
											desc, &isnull));
	catalog_lock_version(catalog_id, true);
	if (catalog_is_used(catalog_id))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("playbook \"%s\" version %s cannot be deleted",
						SPI_getvalue(row, desc, SPI_fnumber(desc, "path")),
						SPI_getvalue(row, desc, SPI_fnumber(desc, "version"))),
				 errdetail("Executions of it exist."),
				 errhint("Delete its executions first.")));
	CacheInvalidateRelcache(trigger->tg_relation);
	return PointerGetDatum(row);
}

/*
 * AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON noetl.catalog_path FOR EACH
 * STATEMENT: tells all sessions that rights on paths have changed.
 */
Datum
noetl_catalog_path_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("noetl.catalog_path_changed() must be called as a trigger")));
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	return PointerGetDatum(NULL);
}
