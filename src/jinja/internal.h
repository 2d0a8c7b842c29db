/*
 * jinja/internal.h
 *		What the files of the template engine share among themselves.
 *
 *		text -> scan (tokens) -> parse (nodes) -> names (scopes checked)
 *			 -> exec/eval (values, output) -> json
 *
 * Values are immutable and live in the memory context of one evaluation,
 * which is deleted as a whole; nothing is ever freed one by one.
 */
#ifndef NOETL_JINJA_INTERNAL_H
#define NOETL_JINJA_INTERNAL_H

#include <ctype.h>
#include <limits.h>

#include "lib/stringinfo.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "jinja/jinja.h"

/* ------------------------------------------------------------------------
 * Values
 * ------------------------------------------------------------------------
 */
typedef enum ValueKind
{
	VAL_ABSENT,					/* no value at all: an argument not given */
	VAL_UNDEFINED,
	VAL_NONE,
	VAL_BOOL,
	VAL_INT,
	VAL_BIGINT,					/* an integer that does not fit int64 */
	VAL_FLOAT,
	VAL_STRING,
	VAL_LIST,
	VAL_TUPLE,
	VAL_DICT,
	VAL_RANGE,
	VAL_VIEW,					/* dict.keys(), .values(), .items() */
	VAL_ITERATOR,				/* a generator: can be walked once */
	VAL_NAMESPACE,
	VAL_CYCLER,
	VAL_JOINER,
	VAL_LOOP,
	VAL_MACRO,
	VAL_METHOD,					/* a builtin bound to its object */
	VAL_GLOBAL					/* a builtin function: range, dict, ... */
} ValueKind;

#define VF_MARKUP	0x01		/* string: HTML that needs no escaping */
#define VF_STEP		0x02		/* value of a step: .data/.result fall back */
#define VF_STEPS	0x04		/* dict whose members are values of steps */
#define VF_GROUP	0x08		/* tuple (grouper, list) made by groupby */

typedef struct Value Value;
typedef struct ValueList ValueList;
typedef struct ValueDict ValueDict;
typedef struct ValueRange ValueRange;
typedef struct ValueView ValueView;
typedef struct Undefined Undefined;
typedef struct Iterator Iterator;
typedef struct Loop Loop;
typedef struct Macro Macro;
typedef struct Method Method;
typedef struct Cycler Cycler;
typedef struct Builtin Builtin;
typedef struct Eval Eval;
typedef struct TemplateNode TemplateNode;

struct Value
{
	uint8		kind;			/* ValueKind */
	uint8		flags;			/* VF_* */
	int32		length;			/* VAL_STRING: bytes; value of a step: 1 + index
								 * of its name */
	union
	{
		bool		boolean;
		int64		integer;
		double		real;
		Numeric		big;
		const char *string;		/* not NUL-terminated */
		ValueList  *list;		/* VAL_LIST, VAL_TUPLE */
		ValueDict  *dict;		/* VAL_DICT, VAL_NAMESPACE */
		ValueRange *range;
		ValueView  *view;
		Undefined  *undefined;
		Iterator   *iterator;
		Cycler	   *cycler;		/* VAL_CYCLER, VAL_JOINER */
		Loop	   *loop;
		Macro	   *macro;
		Method	   *method;
		const Builtin *builtin; /* VAL_GLOBAL */
	}			u;
};

/* A list that came from jsonb keeps the container until someone walks it. */
struct ValueList
{
	int			count;
	Value	   *items;			/* NULL: not deformed yet */
	JsonbContainer *json;
};

typedef struct DictEntry
{
	Value		key;
	Value		value;
	uint32		hash;
} DictEntry;

/* Keeps insertion order, as Python's does; small ones are searched. */
struct ValueDict
{
	int			count;
	int			allocated;
	DictEntry  *entries;		/* NULL with json set: not deformed yet */
	int			nbuckets;		/* power of two, 0: no index */
	int32	   *buckets;		/* entry number or -1 */
	JsonbContainer *json;
};

struct ValueRange
{
	int64		start;
	int64		step;
	int64		count;
	int64		stop;
};

typedef enum ViewKind
{
	VIEW_KEYS,
	VIEW_VALUES,
	VIEW_ITEMS
} ViewKind;

struct ValueView
{
	ViewKind	kind;
	ValueDict  *dict;
	uint8		flags;			/* VF_STEPS of the dict */
};

/* Why a value is undefined; becomes text only when somebody complains. */
struct Undefined
{
	const char *hint;			/* or NULL */
	const char *owner;			/* type that lacks the attribute, or NULL */
	Value		name;
};

struct Iterator
{
	bool		(*next) (Eval *ev, Iterator *it, Value *item);
	const char *type;			/* Python's name of it, for messages */
};

struct Cycler
{
	int			count;
	Value	   *items;
	int			position;
	bool		used;			/* joiner: called before */
};

struct Method
{
	const Builtin *builtin;
	Value		self;
};

/* ------------------------------------------------------------------------
 * Calls
 * ------------------------------------------------------------------------
 */
typedef struct Keyword
{
	const char *name;
	int			length;
	Value		value;
} Keyword;

typedef struct CallArgs
{
	int			nargs;
	Value	   *args;
	int			nkeywords;
	Keyword    *keywords;
} CallArgs;

#define MAX_PARAMS 7

/*
 * argv[0] is what the filter, test or method is applied to, argv[1..] the
 * parameters in order; VAL_ABSENT where none was given.
 */
typedef Value (*BuiltinFn) (Eval *ev, const Value *argv, const CallArgs *call);

struct Builtin
{
	const char *name;
	BuiltinFn	fn;
	int8		required;		/* parameters without default; -1: takes
								 * whatever it is given */
	const char *params[MAX_PARAMS];
};

/* ------------------------------------------------------------------------
 * Tokens (template_scan.c)
 * ------------------------------------------------------------------------
 */
typedef enum TokenType
{
	TOK_EOF,
	TOK_DATA,
	TOK_VARIABLE_BEGIN,
	TOK_VARIABLE_END,
	TOK_BLOCK_BEGIN,
	TOK_BLOCK_END,
	TOK_NAME,
	TOK_STRING,
	TOK_INTEGER,
	TOK_FLOAT,
	TOK_ADD,
	TOK_ASSIGN,
	TOK_COLON,
	TOK_COMMA,
	TOK_DIV,
	TOK_DOT,
	TOK_EQ,
	TOK_FLOORDIV,
	TOK_GT,
	TOK_GE,
	TOK_LBRACE,
	TOK_LBRACKET,
	TOK_LPAREN,
	TOK_LT,
	TOK_LE,
	TOK_MOD,
	TOK_MUL,
	TOK_NE,
	TOK_PIPE,
	TOK_POW,
	TOK_RBRACE,
	TOK_RBRACKET,
	TOK_RPAREN,
	TOK_SEMICOLON,
	TOK_SUB,
	TOK_TILDE
} TokenType;

typedef struct Token
{
	TokenType	type;
	int			pos;			/* byte offset in the source */
	int			length;			/* bytes of the token's own text */
	Value		value;			/* string, integer, float; data as string */
} Token;

typedef struct TokenList
{
	int			count;
	int			allocated;
	Token	   *tokens;
} TokenList;

extern char *jinja_normalize_source(const char *text, int length, int *newlength);
extern void jinja_scan(const char *source, int length, bool expression,
					   TokenList *tokens);
extern const char *jinja_token_name(TokenType type);
extern void jinja_locate(const char *source, int length, int pos,
						 int *line, int *column);

/* Reports where in the source something is wrong. */
pg_noreturn extern void jinja_syntax_error(int pos, const char *fmt,...) pg_attribute_printf(2, 3);
pg_noreturn extern void jinja_unsupported(int pos, const char *hint, const char *fmt,...) pg_attribute_printf(3, 4);

/* Where the compile-time error being raised stands. */
extern int	jinja_error_position;

/* ------------------------------------------------------------------------
 * Compiled form (template_parse.c, template_stmt.c, template_names.c)
 * ------------------------------------------------------------------------
 */
typedef enum NodeType
{
	/* expressions */
	NODE_CONST,
	NODE_NAME,
	NODE_NSREF,					/* assignment target ns.attr */
	NODE_LIST,
	NODE_TUPLE,
	NODE_DICT,					/* items: key, value, key, value ... */
	NODE_GETATTR,
	NODE_GETITEM,
	NODE_SLICE,					/* left[items[0]:items[1]:items[2]] */
	NODE_CALL,
	NODE_FILTER,
	NODE_TEST,
	NODE_CONDITIONAL,			/* left if third else right */
	NODE_AND,
	NODE_OR,
	NODE_NOT,
	NODE_NEGATE,
	NODE_PLUS,
	NODE_BINARY,
	NODE_CONCAT,
	NODE_COMPARE,				/* left, then items with op */
	NODE_KEYWORD,				/* value: name, left: expression */
	/* statements */
	NODE_DATA,
	NODE_PRINT,
	NODE_IF,					/* third, body, orelse */
	NODE_FOR,
	NODE_SET,
	NODE_SET_BLOCK,
	NODE_MACRO,
	NODE_CALL_BLOCK,
	NODE_FILTER_BLOCK,
	NODE_WITH,					/* items: target, value, ... */
	NODE_AUTOESCAPE
} NodeType;

typedef enum ValueOperator
{
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_FLOORDIV,
	OP_MOD,
	OP_POW,
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_IN,
	OP_NOT_IN
} ValueOperator;

typedef struct NodeList
{
	int			count;
	int			allocated;
	TemplateNode	  **items;
} NodeList;

typedef struct NameList
{
	int			count;
	int		   *names;
} NameList;

#define NF_NEGATED		0x01	/* test: is not */
#define NF_RECURSIVE	0x02	/* for */
#define NF_CALLER		0x04	/* macro uses caller */
#define NF_VARARGS		0x08
#define NF_KWARGS		0x10
#define NF_EXPLICIT_CALLER 0x20 /* macro has a parameter named caller */
#define NF_ELIF			0x80	/* if */
#define NF_CALLEE		0x40	/* expression is called: a method is meant */

struct TemplateNode
{
	uint8		type;			/* NodeType */
	uint8		op;				/* ValueOperator */
	uint8		flags;			/* NF_* */
	int			pos;			/* byte offset in the source */
	int			name;			/* NODE_NAME, NODE_NSREF, macro: name number */
	Value		value;			/* constant, attribute, data, filter name */
	const Builtin *builtin;		/* filter, test; NULL: unknown */
	TemplateNode	   *left;
	TemplateNode	   *right;
	TemplateNode	   *third;
	TemplateNode	   *star;			/* *args */
	TemplateNode	   *starstar;		/* **kwargs */
	NodeList	items;
	NodeList	keywords;
	NodeList	body;
	NodeList	orelse;
	NameList	hidden;			/* names the body's scope hides at first */
	NameList	hidden_else;
};

/* A name of the template, interned. */
typedef struct TemplateName
{
	const char *name;
	int			length;
	const Builtin *global;		/* range, dict, ...; or NULL */
	bool		free;			/* not always bound by the template itself */
} TemplateName;

struct Template
{
	const char *source;			/* newlines normalized */
	int			length;
	const char *original;		/* as given */
	int			original_length;
	TemplateMode mode;
	bool		verbatim;		/* no tags: the text itself is the result */
	TemplateNode	   *native;			/* exactly one expression, or NULL */
	NodeList	body;
	NameList	hidden;			/* names that are undefined until they are set */
	int			nnames;
	int			allocated_names;
	TemplateName *names;
	int			nroots;
	const char **roots;
	SourceError *fault;			/* template_fault() */
};

typedef struct Parser
{
	Template   *template;
	TokenList	tokens;
	int			current;
	const char *innermost;		/* tag that waits for its end, or NULL */
} Parser;

/* template_parse.c */
extern Token *jinja_token(Parser *p);
extern Token *jinja_look(Parser *p);
extern Token *jinja_next(Parser *p);
extern Token *jinja_expect(Parser *p, TokenType type);
extern bool jinja_skip_if(Parser *p, TokenType type);
extern bool jinja_at_name(Parser *p, const char *name);
extern bool jinja_skip_name(Parser *p, const char *name);
extern void jinja_expect_name(Parser *p, const char *name);
extern bool jinja_token_is(const Token *token, const char *name);
extern TemplateNode *jinja_node(NodeType type, int pos);
extern void jinja_append(NodeList *list, TemplateNode *node);
extern int	jinja_intern(Parser *p, const char *name, int length);
extern TemplateNode *jinja_parse_expression(Parser *p, bool conditional);
extern TemplateNode *jinja_parse_tuple(Parser *p, bool simplified, bool conditional,
							   const char *end_name, bool parenthesized,
							   bool with_namespace);
extern TemplateNode *jinja_parse_filter(Parser *p, TemplateNode *node, bool start_inline);
extern char *jinja_describe_token(const Token *token);

/* template_stmt.c */
extern void jinja_parse_body(Parser *p, NodeList *body);

/* template_names.c */
extern void jinja_check_names(Template *template);

/* template_symbols.c */
extern void jinja_analyse_scopes(Template *template);

/* ------------------------------------------------------------------------
 * Evaluation
 * ------------------------------------------------------------------------
 */
typedef struct Binding
{
	int			name;
	Value		value;
} Binding;

/* A scope at run time; macros keep the one they were defined in. */
typedef struct Frame Frame;
struct Frame
{
	Frame	   *parent;
	int			count;
	int			allocated;
	Binding    *bindings;
};

typedef struct FreeName
{
	bool		resolved;
	TemplateBinding binding;
	Value		value;
} FreeName;

struct Eval
{
	const Template *template;
	const TemplateScope *scope;
	MemoryContext context;
	MemoryContext caller;		/* in which the caller's code runs */
	int			pos;			/* source position of the operation at hand */
	int64		iterations;
	bool		in_lookup;		/* the caller's code is running */
	bool		autoescape;
	FreeName   *free;
	Frame	   *frame;
	StringInfo	out;
};

struct Loop
{
	Iterator   *source;
	Value		iterable;
	TemplateNode	   *node;			/* of a recursive loop, or NULL */
	Frame	   *frame;			/* scope the loop stands in */
	int64		index0;
	int			depth0;
	int64		length;			/* -1: unknown */
	bool		has_after;		/* one item was read ahead */
	bool		exhausted;
	Value		after;
	Value		current;
	Value		before;
	Value		last_changed;
};

struct Macro
{
	const TemplateNode *node;
	Frame	   *closure;
	const char *name;			/* NULL: anonymous (caller) */
	int			name_length;
};

/* Raises a data exception: what Python calls TypeError and friends. */
pg_noreturn extern void value_fail(const char *fmt,...) pg_attribute_printf(1, 2);
pg_noreturn extern void value_fail_limit(const char *fmt,...) pg_attribute_printf(1, 2);
pg_noreturn extern void value_fail_not_json(const Value *value);
pg_noreturn extern void value_fail_refused(const char *hint, const char *fmt,...) pg_attribute_printf(2, 3);

/* Errors that mean the template, not the server, is at fault. */
extern bool value_error_is_data(int sqlerrcode);

/* template_eval.c */
extern Value jinja_eval(Eval *ev, const TemplateNode *node);
extern Value jinja_call(Eval *ev, const Value *callee, const CallArgs *call);
extern void jinja_eval_args(Eval *ev, const TemplateNode *node, CallArgs *call);
extern bool jinja_step_envelope(Eval *ev, const Value *step, const Value *key, Value *result);
extern Value jinja_lookup(Eval *ev, int name);
extern Value jinja_binary(Eval *ev, ValueOperator op, const Value *a, const Value *b);
extern Value jinja_invoke(Eval *ev, const Builtin *builtin, const Value *self,
						  const CallArgs *call);
extern Value jinja_apply_filter(Eval *ev, const TemplateNode *node, const Value *input);

/* template_exec.c */
extern void jinja_exec(Eval *ev, const NodeList *body);
extern Frame *jinja_push_frame(Eval *ev, const NameList *hidden);
extern Value jinja_call_macro(Eval *ev, Macro *macro, const CallArgs *call);
extern Value jinja_call_loop(Eval *ev, Loop *loop, const CallArgs *call);
extern void jinja_assign(Eval *ev, const TemplateNode *target, const Value *value);
extern int64 jinja_loop_length(Eval *ev, Loop *loop);
extern bool jinja_loop_advance(Eval *ev, Loop *loop, Value *item);
extern bool jinja_loop_attribute(Eval *ev, Loop *loop, const char *name,
								 int length, Value *result);

/* template_access.c: obj.name, obj[x], obj[a:b] */
extern Value jinja_getattr(Eval *ev, const Value *object, const Value *name);
extern Value jinja_getattr_uncalled(Eval *ev, const Value *object, const Value *name);
extern Value jinja_getitem(Eval *ev, const Value *object, const Value *item);
extern Value jinja_getslice(Eval *ev, const Value *object, const Value *start,
							const Value *stop, const Value *step);
extern bool jinja_bind_method(const Value *object, const Value *name,
							 Value *result);

/* template_value.c */
extern Value utext_from_cstring(const char *string);
extern Value value_list(int count, Value *items);
extern Value value_tuple(int count, Value *items);
extern Value value_pair(const Value *a, const Value *b);
extern Value value_undefined_name(const char *name, int length);
extern Value value_undefined_attribute(const Value *owner, const Value *name);
extern Value value_undefined_hint(const char *hint);
pg_noreturn extern void value_fail_undefined(const Value *value);
extern const char *value_type(const Value *value);
extern bool value_truth(Eval *ev, const Value *value);
extern bool value_equal(Eval *ev, const Value *a, const Value *b);
extern bool value_identical(const Value *a, const Value *b);
extern int	value_compare(Eval *ev, const Value *a, const Value *b,
						  const char *op);
extern bool value_order(Eval *ev, ValueOperator op, const Value *a, const Value *b);
extern bool value_contains(Eval *ev, const Value *container, const Value *item);
extern int64 value_length(Eval *ev, const Value *value);
extern uint32 value_hash(Eval *ev, const Value *value);
extern bool value_has_length(const Value *value);
extern Value *seq_items(const Value *value);
extern int	seq_count(const Value *value);
extern Value value_new_dict(int size);
extern void dict_deform(ValueDict *dict, uint8 flags);
extern bool dict_get(Eval *ev, const Value *dict, const Value *key, Value *result);
extern bool dict_get_text(const Value *dict, const char *key, int length,
						  Value *result);
extern void dict_set(Eval *ev, ValueDict *dict, const Value *key,
					 const Value *value);

/* template_iter.c */
extern Iterator *value_iterate(Eval *ev, const Value *value);
extern bool value_is_iterable(const Value *value);
extern Value value_iterator(Iterator *it);
extern Iterator *iter_array(int count, Value *items);
extern Iterator *iter_backward(Eval *ev, const Value *value);
extern Value value_collect(Eval *ev, const Value *value);
extern void value_check_memory(Eval *ev);
extern void value_count_iteration(Eval *ev);

/* The next item of an iteration; every step is counted against the limit. */
static inline bool
iter_next(Eval *ev, Iterator *it, Value *item)
{
	value_count_iteration(ev);
	return it->next(ev, it, item);
}

/* template_number.c */
extern Value number_binary(Eval *ev, ValueOperator op, const Value *a, const Value *b);
extern Value number_negate(const Value *a);
extern Value number_abs(const Value *a);
extern bool value_is_number(const Value *value);
extern bool value_is_integer(const Value *value);
extern int	number_compare(const Value *a, const Value *b, bool *unordered);
extern double number_to_double(const Value *value);
extern Numeric number_to_numeric(const Value *value);
extern Value number_from_numeric(Numeric n);
extern Value number_from_double_trunc(double d);
extern Value number_from_json(Numeric n);
extern Value number_round(const Value *value, int64 digits);
extern Value number_ceil_floor(Eval *ev, const Value *value, int64 digits, bool ceil_up);
extern bool number_parse_int(const char *s, int length, int base, Value *result);
extern bool number_parse_float(const char *s, int length, double *result);
extern char *number_repr_double(double d);
extern char *number_text(const Value *value, int *length);
extern uint32 number_hash(const Value *value);
extern int64 value_index(const Value *value, const char *what);

/* template_text.c: Python's str over UTF-8 */
extern Value utext_make(const char *s, int length);
extern Value utext_copy(const char *s, int length);
extern Value utext_from_buffer(StringInfo buf);
extern void value_check_size(int64 bytes);
extern int64 utext_chars(const char *s, int length);
extern int	utext_offset(const char *s, int length, int64 chars);
extern uint32 utext_decode(const char *s, int length, int *used);
extern void utext_append_char(StringInfo buf, uint32 c);
extern Value utext_repeat(const Value *s, int64 times);
extern Value utext_concat(Eval *ev, const Value *a, const Value *b);
extern int	utext_compare(const Value *a, const Value *b);
extern int	utext_find(const char *s, int length, const char *sub, int sublength,
					  int from);
extern int	utext_rfind(const char *s, int length, const char *sub, int sublength,
					   int end);
extern Value utext_strip(const Value *s, const Value *chars, bool left, bool right);
extern Value utext_replace(const Value *s, const Value *old, const Value *new,
						  int64 count);
extern Value utext_split(const Value *s, const Value *sep, int64 max, bool right);
extern Value utext_splitlines(const Value *s, bool keepends);
extern Value utext_upper(const Value *s);
extern Value utext_lower(const Value *s);
extern Value utext_title(const Value *s);
extern Value utext_capitalize(const Value *s);
extern Value utext_casefold(const Value *s);
extern Value utext_swapcase(const Value *s);
extern Value utext_pad(const Value *s, int64 width, const Value *fill, int side);
extern Value utext_slice(const Value *s, int64 start, int64 stop, int64 step,
						int64 count);
extern Value utext_escape(const Value *s);
extern void utext_escape_into(StringInfo buf, const char *s, int length);
extern bool utext_is(const Value *s, const char *literal);
extern char *utext_cstring(const Value *s);

/* template_repr.c */
extern Value value_str(Eval *ev, const Value *value);
extern Value value_soft_str(Eval *ev, const Value *value);
extern Value value_repr(Eval *ev, const Value *value);
extern void value_str_into(Eval *ev, StringInfo buf, const Value *value);
extern void value_repr_into(Eval *ev, StringInfo buf, const Value *value);
extern void jinja_output(Eval *ev, const char *s, int length);
extern char *value_quote(const Value *value);
extern char *value_clip_name(const char *name, int length);

/* template_json.c */
extern Value value_from_json(const JsonbValue *json, uint8 flags);
extern Value value_from_container(JsonbContainer *container, uint8 flags);
extern void value_to_json(Eval *ev, const Value *value, JsonbValue *result);
extern void value_json_text(Eval *ev, StringInfo buf, const Value *value,
							const Value *indent, bool sort, bool ascii);
extern bool value_from_json_text(const char *s, int length, Value *result);
extern void value_coerce_text(const char *s, int length, JsonbValue *result);
extern int	json_container_size(const JsonbContainer *container);

/* template_filters.c, template_tests.c, template_methods.c, ... */
extern const Builtin *jinja_find_filter(const char *name, int length);
extern const Builtin *jinja_find_test(const char *name, int length);
extern const Builtin *jinja_find_global(const char *name, int length);
extern const Builtin *jinja_find_method(const Value *object, const char *name,
										int length);
extern bool jinja_is_mutation(const Value *object, const char *name, int length);
extern bool jinja_refused_filter(const char *name, int length);
extern const Builtin *jinja_find_builtin(const Builtin *table, int count,
								   const char *name, int length);
extern Value format_percent(Eval *ev, const Value *format, const Value *args);
extern Value jinja_format_braces(Eval *ev, const Value *format, const CallArgs *call);
extern Value value_pprint(Eval *ev, const Value *value);
extern Value jinja_striptags(const Value *s);
extern Value jinja_unescape(const Value *s);
extern int	jinja_argument_int(const Value *value, int fallback);
extern bool jinja_argument_bool(Eval *ev, const Value *value, bool fallback);

/* template_doc.c */
extern bool jinja_scope_knows(const Template *template,
							  const TemplateScope *scope);

/* Inline constructors */
static inline Value
value_none(void)
{
	Value		v = {VAL_NONE};

	return v;
}

static inline Value
value_bool(bool b)
{
	Value		v = {VAL_BOOL};

	v.u.boolean = b;
	return v;
}

static inline Value
value_int(int64 i)
{
	Value		v = {VAL_INT};

	v.u.integer = i;
	return v;
}

static inline Value
value_float(double d)
{
	Value		v = {VAL_FLOAT};

	v.u.real = d;
	return v;
}

static inline bool
value_given(const Value *v)
{
	return v->kind != VAL_ABSENT;
}

static inline bool
value_given_not_none(const Value *v)
{
	return v->kind != VAL_ABSENT && v->kind != VAL_NONE;
}

#endif							/* NOETL_JINJA_INTERNAL_H */
