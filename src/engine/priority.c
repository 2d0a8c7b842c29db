/*
 * engine/priority.c
 *		The priority that a playbook gives its executions, and the names that the heads of
 *		a playbook see when an execution starts.
 */
#include "common/common.h"

#include "catalog/catalog.h"
#include "engine/internal.h"
#include "playbook/playbook.h"

/*
 * Returns what templates in the heads of a playbook see: the members of the workload,
 * "workload", "execution_id" and "path".  Without the workload where that cannot be
 * rendered: the execution then fails for this reason.
 */
TemplateScope
start_scope(const Playbook *playbook, int64 execution_id, const char *path, const Event *start)
{
	BrokerState state;
	JsonBuilder builder;
	JsonbValue	value;
	Jsonb	   *workload = NULL;

	memset(&state, 0, sizeof(state));
	state.playbook = playbook;
	state.execution_id = execution_id;
	json_begin_object(&builder);
	if (engine_render_workload(&state, start, &workload) == NULL)
	{
		json_from_jsonb(workload, &value);
		json_add_members(&builder, &value);
		json_add(&builder, "workload", &value);
	}
	json_add_id(&builder, "execution_id", execution_id);
	json_add_text(&builder, "path", path);
	json_end_object(&builder, &value);
	return template_object_scope(json_to_jsonb(&value));
}

/*
 * Returns the priority that a playbook gives an execution; 0 where it gives none, or its
 * template cannot be rendered.
 */
int
start_priority(int64 catalog_id, const Event *start)
{
	const Playbook *playbook;
	TemplateScope scope;
	SourceError error;
	const char *path;
	int			version;
	int			priority = 0;
	bool		given;

	if (!playbook_is_cached(catalog_id) && !catalog_describe(catalog_id, &path, &version))
		return 0;
	playbook = playbook_get(catalog_id);
	if (playbook->priority.doc == NULL)
		return playbook->priority.value;
	memset(&error, 0, sizeof(error));
	scope = start_scope(playbook, start->execution_id,
						start->node_name != NULL ? start->node_name : "", start);
	return priority_render(&playbook->priority, &scope, &priority, &given, &error) && given ?
		priority : 0;
}
