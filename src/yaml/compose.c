/*
 * yaml/compose.c
 *		Composes the events of libyaml into a tree with positions.
 *
 *		text --libyaml--> events --compose_*--> YamlNode tree
 *							 anchors in a hash ^   | scalars: yaml/scalar.c
 *
 * The document API of libyaml is not used: its time grows with the square of
 * the number of anchors, and it has no limits.  Here nesting, aliases, size and
 * directives are limited while the events come in.  An alias shares the node
 * that it names, so the "tree" may be a DAG; the limits apply to the size that
 * the document has with all aliases written out.
 *
 * An error of the text is never raised: every function returns NULL or false
 * and leaves the reason in ParseState.error.  Errors of the server (cancel, out
 * of memory) are raised, and the memory of libyaml is freed before.
 */
#include "common/common.h"

#include <yaml.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "yaml/internal.h"

#define MAX_DEPTH			500
#define MAX_LENGTH			(8 * 1024 * 1024)	/* bytes of source text */
#define MAX_NODES			1000000 /* values, aliases expanded */
#define MAX_TEXT			(64 * 1024 * 1024)	/* bytes of scalars, likewise */
#define MAX_DIRECTIVES		100

#define TAG_PREFIX			"tag:yaml.org,2002:"
#define TEMPLATE_HINT		"Quote the template: \"{{ ... }}\"."

/* A node, and what is needed only while the tree grows. */
typedef struct SizedNode
{
	YamlNode	node;			/* must be first */
	YamlTag		tag;			/* of a scalar */
	int			nodes;			/* number of values, aliases expanded */
	int			text;			/* bytes of scalars, likewise */
	int			height;			/* levels of lists and maps */
} SizedNode;

#define SIZED(node)			((SizedNode *) (node))

typedef struct Anchor
{
	SizedNode  *node;			/* NULL while the node is being composed */
	int			line;
	int			column;
} Anchor;

typedef struct ParseState
{
	const char *text;
	int			length;
	SourceError *error;
	yaml_parser_t parser;
	yaml_event_t event;
	bool		have_event;		/* event must be deleted */
	size_t		mark_index;		/* characters before ... */
	int			offset;			/* ... this byte: start of the event */
	int			nodes;			/* used up of MAX_NODES */
	int			text_used;		/* used up of MAX_TEXT */
	NameTable	anchor_names;
	Anchor	   *anchors;		/* as numbered in anchor_names */
	int			max_anchors;
	YamlNode   *root;
} ParseState;

/* A mapping under construction. */
typedef struct MapBuilder
{
	NameTable	names;			/* numbered as pairs */
	YamlPair   *pairs;
	int			max_pairs;
	int			nmerges;		/* maps to merge, the weakest first */
	int			max_merges;
	YamlNode  **merges;
	YamlNode   *merge_key;		/* the "<<", for the message */
} MapBuilder;

static SizedNode *compose_node(ParseState *state, int depth);

/* ----------
 * Errors
 * ----------
 */

/* Returns a hint for an error of libyaml, or NULL when none is known. */
static char *
libyaml_hint(ParseState *state, const char *problem, int line, int context_line)
{
	static const struct
	{
		const char *problem;
		char	   *hint;
	}			hints[] = {
		{"mapping values are not allowed",
		 "Quote a value that contains \": \", and check the indentation."},
		{"cannot start any token",
		 "Indent with spaces, not tabs, and quote a value that begins with a special character."},
		{"did not find expected key", "Check the indentation and the quotes."},
		{"did not find expected '-' indicator", "Check the indentation."},
		{"could not find expected ':'", "Check the indentation and the quotes."},
		{"found unexpected end of stream", "Close the quote."},
		{"control characters are not allowed",
		 "Remove the character, or write it as an escape in double quotes."},
		{"found invalid Unicode character escape code",
		 "Write characters outside the basic plane as \\U and eight digits."},
	};

	if (line > 0 && (yaml_line_has_bare_template(state->text, state->length, line) ||
					 (context_line > 0 && context_line != line &&
					  yaml_line_has_bare_template(state->text, state->length, context_line))))
		return TEMPLATE_HINT;
	for (int i = 0; i < (int) lengthof(hints); i++)
	{
		if (strstr(problem, hints[i].problem) != NULL)
			return hints[i].hint;
	}
	return NULL;
}

/* Fills the error from what libyaml left in its parser; returns false. */
static bool
libyaml_error(ParseState *state)
{
	yaml_parser_t *parser = &state->parser;
	const char *problem = parser->problem ? parser->problem : "malformed document";
	char	   *message;
	int			line = parser->problem_mark.line + 1;
	int			column = parser->problem_mark.column + 1;
	int			context_line = 0;

	if (parser->error == YAML_MEMORY_ERROR)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed while parsing a YAML document.")));
	if (parser->error == YAML_READER_ERROR)
	{
		yaml_offset_position(state->text, state->length, parser->problem_offset,
							 &line, &column);
		message = pstrdup(problem);
	}
	else if (parser->context != NULL &&
			 parser->context_mark.index != parser->problem_mark.index)
	{
		context_line = parser->context_mark.line + 1;
		message = psprintf("%s %s that begins at line %d, column %d",
						   problem, parser->context, context_line,
						   (int) parser->context_mark.column + 1);
	}
	else
		message = pstrdup(problem);
	return source_error_at(state->error, ERRCODE_INVALID_TEXT_REPRESENTATION,
						   line, column, message,
						   libyaml_hint(state, problem, line, context_line));
}

/*
 * Fills the error for a place in the document; returns NULL, for callers to
 * return.
 */
static SizedNode *
error_at(ParseState *state, int sqlerrcode, int line, int column,
		 char *message, char *hint)
{
	source_error_at(state->error, sqlerrcode, line, column, message, hint);
	return NULL;
}

/*
 * Fills the error for the place where the current event begins; returns NULL.
 */
static SizedNode *
error_at_event(ParseState *state, int sqlerrcode, char *message, char *hint)
{
	return error_at(state, sqlerrcode, state->event.start_mark.line + 1,
					state->event.start_mark.column + 1, message, hint);
}

/* ----------
 * Events and nodes
 * ----------
 */

/*
 * Fetches the next event and follows it in the source text; false on an error.
 * Marks count characters and never go back, so that all calls together cost
 * one pass over the text.
 */
static bool
fetch_event(ParseState *state)
{
	CHECK_FOR_INTERRUPTS();
	if (state->have_event)
	{
		yaml_event_delete(&state->event);
		state->have_event = false;
	}
	if (!yaml_parser_parse(&state->parser, &state->event))
		return libyaml_error(state);
	state->have_event = true;
	while (state->mark_index < state->event.start_mark.index &&
		   state->offset < state->length)
	{
		state->offset++;
		while (state->offset < state->length &&
			   (state->text[state->offset] & 0xC0) == 0x80)
			state->offset++;
		state->mark_index++;
	}
	return true;
}

/* Returns a node that begins where the current event begins. */
static SizedNode *
make_node(ParseState *state, YamlKind kind)
{
	SizedNode  *result = palloc0(sizeof(SizedNode));

	result->node.kind = kind;
	result->node.line = state->event.start_mark.line + 1;
	result->node.column = state->event.start_mark.column + 1;
	result->nodes = 1;
	return result;
}

/*
 * Counts values and text against the limits of the document; false when it
 * exceeds them.
 */
static bool
charge(ParseState *state, int nodes, int text)
{
	if (nodes > MAX_NODES - state->nodes || text > MAX_TEXT - state->text_used)
	{
		error_at_event(state, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
					   psprintf("document has more than %d values or %d MB of text when aliases are expanded",
								MAX_NODES, MAX_TEXT / (1024 * 1024)),
					   NULL);
		return false;
	}
	state->nodes += nodes;
	state->text_used += text;
	return true;
}

/*
 * Opens the anchor of the node that is composed next; *number is -1 when the
 * node has none. Returns false when the name is taken, as in PyYAML.
 */
static bool
open_anchor(ParseState *state, const yaml_char_t *name, int *number)
{
	const char *anchor = (const char *) name;
	int			length;

	*number = -1;
	if (anchor == NULL)
		return true;
	length = strlen(anchor);
	*number = name_table_find(&state->anchor_names, anchor, length);
	if (*number >= 0)
	{
		error_at_event(state, ERRCODE_INVALID_TEXT_REPRESENTATION,
					   psprintf("duplicate anchor %s",
								yaml_quote_text(anchor, length)),
					   psprintf("The first one is at line %d, column %d.",
								state->anchors[*number].line,
								state->anchors[*number].column));
		return false;
	}
	*number = name_table_add(&state->anchor_names, pnstrdup(anchor, length), length);
	if (*number >= state->max_anchors)
	{
		state->max_anchors = Max(state->max_anchors * 2, 16);
		if (state->anchors == NULL)
			state->anchors = palloc(state->max_anchors * sizeof(Anchor));
		else
			state->anchors = repalloc(state->anchors,
									  state->max_anchors * sizeof(Anchor));
	}
	state->anchors[*number].node = NULL;
	state->anchors[*number].line = state->event.start_mark.line + 1;
	state->anchors[*number].column = state->event.start_mark.column + 1;
	return true;
}

/* Makes the node known to aliases of its anchor. */
static void
close_anchor(ParseState *state, int number, SizedNode *node)
{
	if (number >= 0)
		state->anchors[number].node = node;
}

/*
 * Returns the node that an alias names, counted against the limits as if it
 * were written again.
 */
static SizedNode *
compose_alias(ParseState *state, int depth)
{
	const char *name = (const char *) state->event.data.alias.anchor;
	int			length = strlen(name);
	int			number = name_table_find(&state->anchor_names, name, length);
	SizedNode  *node;

	if (number < 0)
		return error_at_event(state, ERRCODE_INVALID_TEXT_REPRESENTATION,
							  psprintf("undefined alias %s",
									   yaml_quote_text(name, length)),
							  "An anchor must come before its aliases; quote a text that begins with \"*\".");
	node = state->anchors[number].node;
	if (node == NULL)
		return error_at_event(state, ERRCODE_INVALID_TEXT_REPRESENTATION,
							  psprintf("alias %s stands inside the value it names",
									   yaml_quote_text(name, length)),
							  psprintf("The anchor is at line %d, column %d.",
									   state->anchors[number].line,
									   state->anchors[number].column));
	if (depth + node->height > MAX_DEPTH)
		return error_at_event(state, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
							  psprintf("document is nested more than %d levels deep",
									   MAX_DEPTH), NULL);
	if (!charge(state, node->nodes, node->text))
		return NULL;
	return node;
}

/*
 * Fills the error for a tag that this kind of node cannot have; returns NULL.
 */
static SizedNode *
tag_error(ParseState *state, const char *tag, const char *kind)
{
	static const char *const known[] = {
		"null", "bool", "int", "float", "str", "binary", "timestamp", "seq",
		"map", NULL
	};
	static const char *const no_json[] = {"set", "omap", "pairs", NULL};
	const char *name = tag;

	if (strncmp(tag, TAG_PREFIX, strlen(TAG_PREFIX)) == 0)
	{
		name = psprintf("!!%s", tag + strlen(TAG_PREFIX));
		for (int i = 0; known[i] != NULL; i++)
		{
			if (strcmp(name + 2, known[i]) == 0)
				return error_at_event(state, ERRCODE_INVALID_TEXT_REPRESENTATION,
									  psprintf("tag %s does not fit a %s", name, kind),
									  NULL);
		}
		for (int i = 0; no_json[i] != NULL; i++)
		{
			if (strcmp(name + 2, no_json[i]) == 0)
				return error_at_event(state, ERRCODE_FEATURE_NOT_SUPPORTED,
									  psprintf("tag %s has no JSON form", name),
									  "Write a list or a mapping instead.");
		}
	}
	return error_at_event(state, ERRCODE_FEATURE_NOT_SUPPORTED,
						  psprintf("unknown tag %s",
								   yaml_quote_text(name, strlen(name))),
						  "Quote a text that begins with \"!\".");
}

/*
 * Returns whether the tag of a collection is absent or the default one;
 * otherwise the error is filled.
 */
static bool
check_collection_tag(ParseState *state, const yaml_char_t *event_tag,
					 const char *wanted, const char *kind)
{
	const char *tag = (const char *) event_tag;

	if (tag == NULL || *tag == '\0' || strcmp(tag, "!") == 0 ||
		strcmp(tag, wanted) == 0)
		return true;
	tag_error(state, tag, kind);
	return false;
}

/*
 * Sets *result to the type of the scalar of the current event; false when its
 * tag is wrong.
 */
static bool
scalar_tag(ParseState *state, YamlTag *result)
{
	static const struct
	{
		const char *name;
		YamlTag		tag;
	}			tags[] = {
		{TAG_PREFIX "str", YAML_TAG_STR},
		{TAG_PREFIX "int", YAML_TAG_INT},
		{TAG_PREFIX "float", YAML_TAG_FLOAT},
		{TAG_PREFIX "bool", YAML_TAG_BOOL},
		{TAG_PREFIX "null", YAML_TAG_NULL},
		{TAG_PREFIX "timestamp", YAML_TAG_STR},
		{TAG_PREFIX "binary", YAML_TAG_STR},
		{TAG_PREFIX "merge", YAML_TAG_MERGE},
		{TAG_PREFIX "value", YAML_TAG_VALUE},
	};
	const char *tag = (const char *) state->event.data.scalar.tag;

	if (tag == NULL || *tag == '\0' || strcmp(tag, "!") == 0)
	{
		*result = YAML_TAG_STR;

		/* "!" resolves like a plain scalar; libyaml forgets an empty one */
		if (state->event.data.scalar.plain_implicit ||
			(tag != NULL && state->event.data.scalar.length == 0 &&
			 state->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE))
			*result = yaml_resolve_plain((const char *) state->event.data.scalar.value,
										 state->event.data.scalar.length);
		return true;
	}
	for (int i = 0; i < (int) lengthof(tags); i++)
	{
		if (strcmp(tag, tags[i].name) == 0)
		{
			*result = tags[i].tag;
			return true;
		}
	}
	tag_error(state, tag, "scalar");
	return false;
}

/* ----------
 * Composing
 * ----------
 */

/* Returns how the scalar of the current event is written. */
static YamlStyle
scalar_style(ParseState *state)
{
	switch (state->event.data.scalar.style)
	{
		case YAML_LITERAL_SCALAR_STYLE:
			return YAML_STYLE_LITERAL;
		case YAML_FOLDED_SCALAR_STYLE:
			return YAML_STYLE_FOLDED;
		case YAML_SINGLE_QUOTED_SCALAR_STYLE:
			return YAML_STYLE_SINGLE_QUOTED;
		case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
			return YAML_STYLE_DOUBLE_QUOTED;
		default:
			return YAML_STYLE_PLAIN;
	}
}

/*
 * Returns the node of a scalar. "<<" and "=" have a meaning only as keys,
 * where is_key accepts them.
 */
static SizedNode *
compose_scalar(ParseState *state, bool is_key)
{
	const char *value = (const char *) state->event.data.scalar.value;
	int			length = state->event.data.scalar.length;
	SizedNode  *result;
	int			anchor;

	if (!charge(state, 1, length) ||
		!open_anchor(state, state->event.data.scalar.anchor, &anchor))
		return NULL;
	result = make_node(state, YN_STRING);
	if (!scalar_tag(state, &result->tag))
		return NULL;
	if (memchr(value, '\0', length) != NULL)
		return error_at_event(state, ERRCODE_UNTRANSLATABLE_CHARACTER,
							  "text contains the character \\0",
							  "JSON text in the database cannot hold it.");
	if (!is_key && (result->tag == YAML_TAG_MERGE || result->tag == YAML_TAG_VALUE))
		return error_at_event(state, ERRCODE_INVALID_TEXT_REPRESENTATION,
							  psprintf("%s has no value here",
									   yaml_quote_text(value, length)),
							  "Quote it to keep it as text.");
	result->node.string = pnstrdup(value, length);
	result->node.length = length;
	result->text = length;
	yaml_locate_text(&result->node, scalar_style(state), state->text,
					 state->length, state->offset);
	if (!yaml_construct_scalar(&result->node, result->tag, state->error))
		return NULL;
	close_anchor(state, anchor, result);
	return result;
}

/* Checks the limits before anything inside a list or mapping is read. */
static bool
enter_collection(ParseState *state, int depth)
{
	check_stack_depth();
	if (depth >= MAX_DEPTH)
	{
		error_at_event(state, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
					   psprintf("document is nested more than %d levels deep",
								MAX_DEPTH), NULL);
		return false;
	}
	return charge(state, 1, 0);
}

/* Adds the size of a part to that of the whole. */
static void
include_size(SizedNode *whole, const SizedNode *part)
{
	whole->nodes += part->nodes;
	whole->text += part->text;
	whole->height = Max(whole->height, part->height + 1);
}

/* Returns the node of a list, from its start event to its end event. */
static SizedNode *
compose_list(ParseState *state, int depth)
{
	SizedNode  *result;
	int			anchor;
	int			size = 0;

	if (!enter_collection(state, depth) ||
		!open_anchor(state, state->event.data.sequence_start.anchor, &anchor) ||
		!check_collection_tag(state, state->event.data.sequence_start.tag,
							  TAG_PREFIX "seq", "list"))
		return NULL;
	result = make_node(state, YN_LIST);
	result->height = 1;
	for (;;)
	{
		YamlNode   *list = &result->node;
		SizedNode  *item;

		if (!fetch_event(state))
			return NULL;
		if (state->event.type == YAML_SEQUENCE_END_EVENT)
			break;
		item = compose_node(state, depth + 1);
		if (item == NULL)
			return NULL;
		if (list->count == size)
		{
			size = Max(size * 2, 4);
			if (list->items == NULL)
				list->items = palloc(size * sizeof(YamlNode *));
			else
				list->items = repalloc(list->items, size * sizeof(YamlNode *));
		}
		list->items[list->count++] = &item->node;
		include_size(result, item);
	}
	close_anchor(state, anchor, result);
	return result;
}

/*
 * Fills the error for a key that JSON cannot have, which mostly is a template
 * without quotes; returns NULL.
 */
static SizedNode *
key_error(ParseState *state, const YamlNode *map)
{
	const char *p = state->text + state->offset;
	const char *end = state->text + state->length;
	bool		flow = state->event.type == YAML_MAPPING_START_EVENT &&
		p < end && *p == '{';

	if (flow && p > state->text && p[-1] == '{')
		return error_at(state, ERRCODE_INVALID_TEXT_REPRESENTATION,
						map->line, map->column,
						"a template without quotes is a YAML mapping",
						TEMPLATE_HINT);
	if (flow && p + 1 < end && p[1] == '{')
		return error_at_event(state, ERRCODE_INVALID_TEXT_REPRESENTATION,
							  "a template without quotes is a YAML mapping",
							  TEMPLATE_HINT);
	return error_at_event(state, ERRCODE_INVALID_TEXT_REPRESENTATION,
						  "a list or mapping cannot be a key",
						  "Keys are scalars; quote a key that begins with a bracket or brace.");
}

/*
 * Returns the node of a key, as text. *merge is set for "<<". A key that is no
 * string gets the text that it has in JSON, in a node of its own, because an
 * alias may share the other node.
 */
static SizedNode *
compose_key(ParseState *state, int depth, const YamlNode *map, bool *merge)
{
	SizedNode  *key;
	SizedNode  *result;

	if (state->event.type == YAML_SCALAR_EVENT)
		key = compose_scalar(state, true);
	else if (state->event.type == YAML_ALIAS_EVENT)
		key = compose_alias(state, depth);
	else
		return key_error(state, map);
	if (key == NULL)
		return NULL;
	if (key->height > 0)
		return key_error(state, map);
	*merge = (key->tag == YAML_TAG_MERGE);
	if (key->node.kind == YN_STRING)
		return key;

	result = palloc(sizeof(SizedNode));
	*result = *key;
	result->tag = YAML_TAG_STR;
	result->node.kind = YN_STRING;
	result->node.string = yaml_key_text(&key->node, key->tag);
	result->node.length = strlen(result->node.string);
	result->node.nstretches = 0;
	return result;
}

/* Appends a pair whose key is new. */
static void
add_pair(MapBuilder *builder, YamlNode *key, YamlNode *value)
{
	int			number = name_table_add(&builder->names, key->string, key->length);

	if (number >= builder->max_pairs)
	{
		builder->max_pairs = Max(builder->max_pairs * 2, 4);
		if (builder->pairs == NULL)
			builder->pairs = palloc(builder->max_pairs * sizeof(YamlPair));
		else
			builder->pairs = repalloc(builder->pairs,
									  builder->max_pairs * sizeof(YamlPair));
	}
	builder->pairs[number].key = key;
	builder->pairs[number].value = value;
}

/* Fills the error for a second pair with the same key; returns NULL. */
static SizedNode *
duplicate_key(ParseState *state, const YamlNode *first, const YamlNode *second,
			  bool merge)
{
	return error_at(state, ERRCODE_DUPLICATE_JSON_OBJECT_KEY_VALUE,
					second->line, second->column,
					psprintf("duplicate key %s, first used at line %d, column %d",
							 yaml_quote_text(second->string, second->length),
							 first->line, first->column),
					merge ? "To merge several mappings, write a list: <<: [*first, *second]." :
					"Remove or rename one of the two keys.");
}

/* Notes a mapping to merge. */
static void
add_merge(MapBuilder *builder, YamlNode *map)
{
	if (builder->nmerges == builder->max_merges)
	{
		builder->max_merges = Max(builder->max_merges * 2, 4);
		if (builder->merges == NULL)
			builder->merges = palloc(builder->max_merges * sizeof(YamlNode *));
		else
			builder->merges = repalloc(builder->merges,
									   builder->max_merges * sizeof(YamlNode *));
	}
	builder->merges[builder->nmerges++] = map;
}

/*
 * Notes the value of a "<<" key: a mapping, or a list of mappings in which the
 * earlier ones win. False on an error.
 */
static bool
collect_merge(ParseState *state, MapBuilder *builder, YamlNode *value)
{
	YamlNode   *wrong = NULL;

	if (value->kind == YN_MAP)
		add_merge(builder, value);
	else if (value->kind == YN_LIST)
	{
		for (int i = value->count - 1; i >= 0; i--)
		{
			if (value->items[i]->kind != YN_MAP)
				wrong = value->items[i];
			else
				add_merge(builder, value->items[i]);
		}
	}
	else
		wrong = value;
	if (wrong == NULL)
		return true;
	error_at(state, ERRCODE_INVALID_TEXT_REPRESENTATION,
			 wrong->line, wrong->column,
			 "\"<<\" can merge only a mapping or a list of mappings",
			 "Quote the key to keep it as text.");
	return false;
}

/* Adds pairs; they replace earlier pairs with the same key. */
static void
overlay_pairs(MapBuilder *builder, const YamlPair *pairs, int count)
{
	for (int i = 0; i < count; i++)
	{
		YamlNode   *key = pairs[i].key;
		int			number = name_table_find(&builder->names, key->string, key->length);

		CHECK_FOR_INTERRUPTS();
		if (number < 0)
			add_pair(builder, key, pairs[i].value);
		else
			builder->pairs[number] = pairs[i];
	}
}

/*
 * Ends a mapping: the merged pairs first, its own pairs over them, as in
 * PyYAML.
 */
static void
finish_map(MapBuilder *builder, SizedNode *result)
{
	if (builder->nmerges > 0)
	{
		MapBuilder	merged = {0};

		for (int i = 0; i < builder->nmerges; i++)
			overlay_pairs(&merged, builder->merges[i]->pairs,
						  builder->merges[i]->count);
		overlay_pairs(&merged, builder->pairs, builder->names.count);
		name_table_free(&builder->names);
		if (builder->pairs != NULL)
			pfree(builder->pairs);
		pfree(builder->merges);
		*builder = merged;
	}
	result->node.pairs = builder->pairs;
	result->node.count = builder->names.count;
	for (int i = 0; i < result->node.count; i++)
	{
		include_size(result, SIZED(builder->pairs[i].key));
		include_size(result, SIZED(builder->pairs[i].value));
	}
	name_table_free(&builder->names);
}

/*
 * Adds one pair of a mapping, whose key is the current event; false on an
 * error.
 */
static bool
compose_pair(ParseState *state, MapBuilder *builder, const YamlNode *map,
			 int depth)
{
	bool		merge = false;
	SizedNode  *key = compose_key(state, depth, map, &merge);
	SizedNode  *value;
	int			number;

	if (key == NULL)
		return false;
	number = name_table_find(&builder->names, key->node.string, key->node.length);
	if (merge && builder->merge_key != NULL)
		return duplicate_key(state, builder->merge_key, &key->node, true) != NULL;
	if (!merge && number >= 0)
		return duplicate_key(state, builder->pairs[number].key, &key->node,
							 false) != NULL;
	if (!fetch_event(state))
		return false;
	value = compose_node(state, depth);
	if (value == NULL)
		return false;
	if (merge)
	{
		builder->merge_key = &key->node;
		return collect_merge(state, builder, &value->node);
	}
	add_pair(builder, &key->node, &value->node);
	return true;
}

/* Returns the node of a mapping, from its start event to its end event. */
static SizedNode *
compose_map(ParseState *state, int depth)
{
	MapBuilder	builder = {0};
	SizedNode  *result;
	int			anchor;

	if (!enter_collection(state, depth) ||
		!open_anchor(state, state->event.data.mapping_start.anchor, &anchor) ||
		!check_collection_tag(state, state->event.data.mapping_start.tag,
							  TAG_PREFIX "map", "mapping"))
		return NULL;
	result = make_node(state, YN_MAP);
	result->height = 1;
	for (;;)
	{
		if (!fetch_event(state))
			return NULL;
		if (state->event.type == YAML_MAPPING_END_EVENT)
			break;
		if (!compose_pair(state, &builder, &result->node, depth + 1))
			return NULL;
	}
	finish_map(&builder, result);
	close_anchor(state, anchor, result);
	return result;
}

/*
 * Returns the node that the current event begins, inside of "depth"
 * collections.
 */
static SizedNode *
compose_node(ParseState *state, int depth)
{
	switch (state->event.type)
	{
		case YAML_ALIAS_EVENT:
			return compose_alias(state, depth);
		case YAML_SCALAR_EVENT:
			return compose_scalar(state, false);
		case YAML_SEQUENCE_START_EVENT:
			return compose_list(state, depth);
		case YAML_MAPPING_START_EVENT:
			return compose_map(state, depth);
		default:
			elog(ERROR, "unexpected YAML event %d", (int) state->event.type);
	}
	return NULL;				/* keep compiler quiet */
}

/* ----------
 * Documents
 * ----------
 */

/*
 * Checks the number of directives before libyaml reads them: libyaml compares
 * each %TAG with all others. Directives can occur only in front of a document.
 */
static bool
check_directives(ParseState *state)
{
	const char *end = state->text + state->length;
	bool		prologue = true;
	int			line = 1;
	int			count = 0;

	for (const char *p = state->text; p < end; p = yaml_next_line(p, end), line++)
	{
		const char *first = p;

		CHECK_FOR_INTERRUPTS();
		while (first < end && (*first == ' ' || *first == '\t'))
			first++;
		if (end - p >= 3 && memcmp(p, "...", 3) == 0)
			prologue = true;
		else if (prologue && *p == '%')
			count++;
		else if (first < end && *first != '#' &&
				 yaml_line_break(first, end) == 0)
			prologue = false;
		if (count > MAX_DIRECTIVES)
			return source_error_at(state->error,
								   ERRCODE_PROGRAM_LIMIT_EXCEEDED, line, 1,
								   psprintf("document has more than %d directives",
											MAX_DIRECTIVES), NULL);
	}
	return true;
}

/* Returns the root of the one document of the stream. */
static YamlNode *
compose_stream(ParseState *state)
{
	SizedNode  *root;

	if (!fetch_event(state) ||	/* stream start */
		!fetch_event(state))
		return NULL;
	if (state->event.type == YAML_STREAM_END_EVENT)
	{
		root = make_node(state, YN_NULL);
		root->node.line = root->node.column = 1;
		root->node.string = pstrdup("");
		return &root->node;
	}
	if (!fetch_event(state))		/* past the document start */
		return NULL;
	root = compose_node(state, 0);
	if (root == NULL ||
		!fetch_event(state) ||	/* document end */
		!fetch_event(state))
		return NULL;
	if (state->event.type != YAML_STREAM_END_EVENT)
	{
		error_at_event(state, ERRCODE_INVALID_TEXT_REPRESENTATION,
					   "text holds more than one document",
					   "Split it at the line \"---\".");
		return NULL;
	}
	return &root->node;
}

/*
 * Runs libyaml over the text, and frees the memory of libyaml however that
 * ends: libyaml does not use memory contexts.
 */
static YamlNode *
run_parser(ParseState *state)
{
	if (!yaml_parser_initialize(&state->parser))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed while starting to parse a YAML document.")));
	PG_TRY();
	{
		yaml_parser_set_input_string(&state->parser,
									 (const unsigned char *) state->text,
									 state->length);
		yaml_parser_set_encoding(&state->parser, YAML_UTF8_ENCODING);
		state->root = compose_stream(state);
	}
	PG_FINALLY();
	{
		if (state->have_event)
			yaml_event_delete(&state->event);
		yaml_parser_delete(&state->parser);
	}
	PG_END_TRY();
	return state->root;
}

/* Parses one document; returns NULL and fills *error on malformed input. */
YamlNode *
yaml_parse_document(const char *text, int length, SourceError *error)
{
	ParseState	state = {0};

	memset(error, 0, sizeof(SourceError));
	if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
	{
		text += 3;				/* byte order mark */
		length -= 3;
	}
	state.text = text;
	state.length = length;
	state.error = error;
	if (GetDatabaseEncoding() != PG_UTF8)
	{
		source_error_at(error, ERRCODE_FEATURE_NOT_SUPPORTED, 1, 1,
						"YAML can be read only in a database with encoding UTF8",
						NULL);
		return NULL;
	}
	if (length > MAX_LENGTH)
	{
		source_error_at(error, ERRCODE_PROGRAM_LIMIT_EXCEEDED, 1, 1,
						psprintf("document is larger than %d MB",
								 MAX_LENGTH / (1024 * 1024)), NULL);
		return NULL;
	}
	if (!check_directives(&state))
		return NULL;
	return run_parser(&state);
}

/*
 * Returns the value of a member of a map, or NULL when there is none or the
 * node is no map.
 */
YamlNode *
yaml_member(const YamlNode *map, const char *key)
{
	int			length = strlen(key);

	if (map == NULL || map->kind != YN_MAP)
		return NULL;
	for (int i = 0; i < map->count; i++)
	{
		const YamlNode *name = map->pairs[i].key;

		if (name->length == length && memcmp(name->string, key, length) == 0)
			return map->pairs[i].value;
	}
	return NULL;
}
