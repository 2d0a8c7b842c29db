/*
 * api/why.c
 *		What noetl.why() cannot know from the tables: which live runs a join
 *		waits for, and which type a misspelled type stands for.
 */
#include "common/common.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "catalog/catalog.h"
#include "playbook/playbook.h"

PG_FUNCTION_INFO_V1(noetl_join_awaits);
PG_FUNCTION_INFO_V1(noetl_similar_word);

/* Returns the step that an argument names, or NULL. */
static const Step *
step_argument(FunctionCallInfo fcinfo, int argument, const Playbook *playbook)
{
	text	   *name = PG_GETARG_TEXT_PP(argument);
	int			index = playbook_find_step(playbook, VARDATA_ANY(name),
										   VARSIZE_ANY_EXHDR(name));

	return index < 0 ? NULL : &playbook->steps[index];
}

/*
 * noetl.join_awaits(catalog_id, waiting, live, live_waits)
 *
 * Returns whether a live run of one step keeps a run of another one waiting,
 * by the rule of the broker.  Must not be asked for one run and itself.
 */
Datum
noetl_join_awaits(PG_FUNCTION_ARGS)
{
	const Playbook *playbook = playbook_get(PG_GETARG_INT64(0));
	const Step *waiting = step_argument(fcinfo, 1, playbook);
	const Step *live = step_argument(fcinfo, 2, playbook);
	bool		live_waits = PG_GETARG_BOOL(3);

	if (waiting == NULL || live == NULL)
		PG_RETURN_BOOL(false);
	if (waiting->kind == STEP_END)
		PG_RETURN_BOOL(!live_waits || live->kind != STEP_END);
	if (live_waits && live->component >= waiting->component)
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(playbook_reaches(playbook, live->index, waiting->index));
}

/*
 * noetl.similar_word(word, known)
 *
 * Returns the first of the known words that "word" is a slip of the pen for;
 * null when there is none.
 */
Datum
noetl_similar_word(PG_FUNCTION_ARGS)
{
	char	   *word = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
		{
			char	   *known = TextDatumGetCString(elements[i]);

			if (strcmp(word, known) != 0 && playbook_looks_like(word, known))
				PG_RETURN_DATUM(elements[i]);
		}
	PG_RETURN_NULL();
}
