/*
 * store/predicate.c
 *		Conditions on the columns of a row.
 */
#include "common/common.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"

#include "store/predicate.h"

/* What a condition says of a row. */
typedef enum Answer
{
	ANSWER_FALSE,
	ANSWER_TRUE,
	ANSWER_NULL
} Answer;

typedef enum PredicateKind
{
	PREDICATE_AND,
	PREDICATE_OR,
	PREDICATE_NOT,
	PREDICATE_NULL,				/* a column is null */
	PREDICATE_NOT_NULL,
	PREDICATE_VALUE,			/* depends on the value of one column */
	PREDICATE_OTHER
} PredicateKind;

/* Values that have been asked for; one with the same hash value takes another's place. */
#define REMEMBERED			16

/* The longest value that is remembered. */
#define LONGEST_VALUE		38

typedef struct RememberedAnswer
{
	int8		length;			/* of the value; -1: there is none */
	int8		answer;			/* an Answer */
	char		value[LONGEST_VALUE];
} RememberedAnswer;

struct Predicate
{
	PredicateKind kind;
	int			count;			/* AND, OR, NOT: */
	Predicate **parts;
	AttrNumber	attribute;		/* of the column */
	bool		byval;			/* its values are no varlenas */
	ExprState  *state;			/* of the whole condition */
	RememberedAnswer *answers;	/* REMEMBERED of them */
};

/* ---------------------------------------------------------------------------
 * Compiling
 * ---------------------------------------------------------------------------
 */

static Predicate *compile(Expr *condition);

/* Compiles what is joined by AND, OR or NOT. */
static Predicate *
compile_parts(PredicateKind kind, List *conditions)
{
	Predicate  *predicate = palloc0(sizeof(Predicate));
	ListCell   *lc;

	predicate->kind = kind;
	predicate->parts = palloc(sizeof(Predicate *) * Max(list_length(conditions), 1));
	foreach(lc, conditions)
		predicate->parts[predicate->count++] = compile((Expr *) lfirst(lc));
	return predicate;
}

/* Returns the only column that a condition reads, or NULL. */
static Var *
only_column(Expr *condition)
{
	List	   *vars = pull_var_clause((Node *) condition, 0);
	Var		   *first = vars == NIL ? NULL : (Var *) linitial(vars);
	ListCell   *lc;

	foreach(lc, vars)
		if (((Var *) lfirst(lc))->varattno != first->varattno)
			return NULL;
	return first != NULL && first->varattno > 0 ? first : NULL;
}

/* Makes a condition remember its answers, if it depends on one column whose values can be. */
static void
remember_answers(Predicate *predicate, Expr *condition)
{
	Var		   *column = only_column(condition);
	int16		length;
	bool		byval;

	if (column == NULL || contain_mutable_functions((Node *) condition))
		return;
	get_typlenbyval(column->vartype, &length, &byval);
	if (!byval && length != -1)
		return;
	predicate->kind = PREDICATE_VALUE;
	predicate->attribute = column->varattno;
	predicate->byval = byval;
	predicate->answers = palloc(sizeof(RememberedAnswer) * REMEMBERED);
	for (int i = 0; i < REMEMBERED; i++)
		predicate->answers[i].length = -1;
}

/* Returns whether a condition is about a column being null. */
static bool
is_null_test(Expr *condition)
{
	NullTest   *test = (NullTest *) condition;

	return IsA(condition, NullTest) && !test->argisrow && IsA(test->arg, Var) &&
		((Var *) test->arg)->varattno > 0;
}

/* Compiles a condition. */
static Predicate *
compile(Expr *condition)
{
	Predicate  *predicate;

	check_stack_depth();
	if (IsA(condition, BoolExpr))
	{
		BoolExpr   *expression = (BoolExpr *) condition;

		return compile_parts(expression->boolop == AND_EXPR ? PREDICATE_AND :
							 expression->boolop == OR_EXPR ? PREDICATE_OR : PREDICATE_NOT,
							 expression->args);
	}
	predicate = palloc0(sizeof(Predicate));
	if (is_null_test(condition))
	{
		predicate->kind = ((NullTest *) condition)->nulltesttype == IS_NULL ?
			PREDICATE_NULL : PREDICATE_NOT_NULL;
		predicate->attribute = ((Var *) ((NullTest *) condition)->arg)->varattno;
		return predicate;
	}
	predicate->kind = PREDICATE_OTHER;
	predicate->state = ExecInitExpr(condition, NULL);
	remember_answers(predicate, condition);
	return predicate;
}

/* Compiles a list of conditions (store/predicate.h). */
Predicate *
predicate_compile(List *conditions)
{
	return list_length(conditions) == 1 ? compile((Expr *) linitial(conditions)) :
		compile_parts(PREDICATE_AND, conditions);
}

/* ---------------------------------------------------------------------------
 * Evaluating
 * ---------------------------------------------------------------------------
 */

/* Has the executor evaluate a condition. */
static Answer
execute(Predicate *predicate, TupleTableSlot *slot, ExprContext *econtext)
{
	bool		isnull;
	Datum		result;

	econtext->ecxt_scantuple = slot;
	result = ExecEvalExprSwitchContext(predicate->state, econtext, &isnull);
	return isnull ? ANSWER_NULL : DatumGetBool(result) ? ANSWER_TRUE : ANSWER_FALSE;
}

/*
 * Finds the bytes of a value; returns how many they are, or -1 when the value cannot be
 * remembered.
 */
static int
value_bytes(const Predicate *predicate, Datum *value, const char **bytes)
{
	struct varlena *pointer;

	if (predicate->byval)
	{
		*bytes = (const char *) value;
		return sizeof(Datum);
	}
	pointer = (struct varlena *) DatumGetPointer(*value);
	if (VARATT_IS_EXTERNAL(pointer) || VARATT_IS_COMPRESSED(pointer) ||
		VARSIZE_ANY_EXHDR(pointer) > LONGEST_VALUE)
		return -1;
	*bytes = VARDATA_ANY(pointer);
	return VARSIZE_ANY_EXHDR(pointer);
}

/* Returns the place for a value. */
static RememberedAnswer *
place_for(const Predicate *predicate, const char *bytes, int length)
{
	unsigned	hash = length;

	if (length > 0)
		hash += (unsigned char) bytes[0] + 7 * (unsigned char) bytes[length / 2];
	return &predicate->answers[hash % REMEMBERED];
}

/* Evaluates a condition on the value of one column. */
static Answer
evaluate_value(Predicate *predicate, TupleTableSlot *slot, ExprContext *econtext)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, predicate->attribute, &isnull);
	const char *bytes;
	int			length = isnull ? -1 : value_bytes(predicate, &value, &bytes);
	RememberedAnswer *known;
	Answer		answer;

	if (length < 0)
		return execute(predicate, slot, econtext);
	known = place_for(predicate, bytes, length);
	if (known->length == length && memcmp(known->value, bytes, length) == 0)
		return (Answer) known->answer;
	answer = execute(predicate, slot, econtext);
	known->length = length;
	known->answer = answer;
	memcpy(known->value, bytes, length);
	return answer;
}

static Answer evaluate(Predicate *predicate, TupleTableSlot *slot, ExprContext *econtext);

/* Evaluates conditions that are joined by AND or OR, up to one that decides. */
static Answer
evaluate_parts(Predicate *predicate, Answer deciding, TupleTableSlot *slot,
			   ExprContext *econtext)
{
	bool		any_null = false;

	for (int i = 0; i < predicate->count; i++)
	{
		Answer		answer = evaluate(predicate->parts[i], slot, econtext);

		if (answer == deciding)
			return deciding;
		any_null = any_null || answer == ANSWER_NULL;
	}
	return any_null ? ANSWER_NULL :
		deciding == ANSWER_FALSE ? ANSWER_TRUE : ANSWER_FALSE;
}

/* Evaluates a condition. */
static Answer
evaluate(Predicate *predicate, TupleTableSlot *slot, ExprContext *econtext)
{
	Answer		answer = ANSWER_NULL;

	switch (predicate->kind)
	{
		case PREDICATE_AND:
			answer = evaluate_parts(predicate, ANSWER_FALSE, slot, econtext);
			break;
		case PREDICATE_OR:
			answer = evaluate_parts(predicate, ANSWER_TRUE, slot, econtext);
			break;
		case PREDICATE_NOT:
			answer = evaluate(predicate->parts[0], slot, econtext);
			if (answer != ANSWER_NULL)
				answer = answer == ANSWER_TRUE ? ANSWER_FALSE : ANSWER_TRUE;
			break;
		case PREDICATE_NULL:
			answer = slot_attisnull(slot, predicate->attribute) ? ANSWER_TRUE : ANSWER_FALSE;
			break;
		case PREDICATE_NOT_NULL:
			answer = slot_attisnull(slot, predicate->attribute) ? ANSWER_FALSE : ANSWER_TRUE;
			break;
		case PREDICATE_VALUE:
			answer = evaluate_value(predicate, slot, econtext);
			break;
		case PREDICATE_OTHER:
			answer = execute(predicate, slot, econtext);
			break;
	}
	return answer;
}

/* Returns whether all conditions are true for a row (store/predicate.h). */
bool
predicate_holds(Predicate *predicate, TupleTableSlot *slot, ExprContext *econtext)
{
	return evaluate(predicate, slot, econtext) == ANSWER_TRUE;
}

/* Returns whether a condition is false for a row (store/predicate.h). */
bool
predicate_fails(Predicate *predicate, TupleTableSlot *slot, ExprContext *econtext)
{
	return evaluate(predicate, slot, econtext) == ANSWER_FALSE;
}
