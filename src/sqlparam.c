/*
 * sqlparam.c
 *		Templates as bind parameters: which type each has, and its value.
 *
 * A template's value never becomes part of the SQL text: it goes through the
 * input function of the type that the statement wants.  Reads the catalogs.
 */
#include "joborch.h"

#include "catalog/pg_type.h"
#include "errors.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/analyze.h"
#include "parser/parse_type.h"
#include "sqlparam.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

typedef enum BindKind
{
	BIND_INPUT,				/* text form through the type's input function */
	BIND_TEXT,
	BIND_JSON,
	BIND_JSONB,
	BIND_ARRAY,
	BIND_COMPOSITE
} BindKind;

struct JoSqlParam
{
	Oid			type;
	BindKind	kind;			/* by the base type, if type is a domain */
	bool		is_domain;
	MemoryContext context;
	FmgrInfo	input;
	Oid			io_param;
	void	   *domain_extra;
	FmgrInfo	populate;		/* BIND_COMPOSITE: jsonb_populate_record */
	JoSqlParam *element;		/* BIND_ARRAY */
	int16		length;			/* of an element */
	bool		by_value;
	char		align;
};

/* ---- which type ---- */

/* The words of input schemas; any other declared type is a SQL type's name. */
static Oid
find_declared_type(const char *declared)
{
	Oid			type;
	int32		typmod;

	if (strcmp(declared, "string") == 0)
		return TEXTOID;
	if (strcmp(declared, "integer") == 0)
		return INT8OID;
	if (strcmp(declared, "number") == 0)
		return NUMERICOID;
	if (strcmp(declared, "boolean") == 0)
		return BOOLOID;
	if (strcmp(declared, "object") == 0 || strcmp(declared, "array") == 0 ||
		strcmp(declared, "null") == 0)
		return JSONBOID;
	parseTypeString(declared, &type, &typmod, false);
	return type;
}

/*
 * SELECT {{ a }}: the grammar would make every such output text.  The template's own
 * type is what is wanted there, so that a number stays a number in the result.
 */
static void
seed_outputs(const JoSqlSplit *split, const JoSqlStatement *statement, Oid *types)
{
	SelectStmt *select = (SelectStmt *) statement->raw->stmt;
	ListCell   *cell;

	if (!IsA(select, SelectStmt) || select->op != SETOP_NONE || select->intoClause != NULL)
		return;
	foreach(cell, select->targetList)
	{
		Node	   *value = lfirst_node(ResTarget, cell)->val;
		const char *declared;
		int			number;

		if (value == NULL || !IsA(value, ParamRef))
			continue;
		number = ((ParamRef *) value)->number;
		if (number < 1 || number > split->sql->ntemplates)
			continue;			/* analysis says what is wrong */
		declared = split->sql->templates[number - 1].declared_type;
		types[number - 1] =
			declared != NULL ? find_declared_type(declared) : JSONBOID;
	}
}

static void
raise_untyped(const JoTemplate *template, const char *place)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDETERMINATE_DATATYPE),
			 errmsg("could not determine the data type of template %s of %s",
					template->source, place),
			 errhint("Write the type behind it, such as %s::text.", template->source)));
}

void
jo_sqlparam_infer(const JoSqlSplit *split, const JoSqlStatement *statement,
				  Oid *types, const char *place)
{
	int			n = split->sql->ntemplates;
	int			i;
	Oid		   *found = palloc0(sizeof(Oid) * Max(n, 1));

	if (statement->ntemplates == 0)
		return;
	seed_outputs(split, statement, found);
	parse_analyze_varparams(copyObject(statement->raw), split->text, &found, &n, NULL);
	for (i = statement->first; i < statement->first + statement->ntemplates; i++)
	{
		const JoTemplate *template = &split->sql->templates[i];

		if (jo_sqlsplit_is_name(template))
			continue;
		types[i] = found[i];
		if (OidIsValid(found[i]) && found[i] != UNKNOWNOID)
			continue;
		if (template->declared_type == NULL)
			raise_untyped(template, place);
		types[i] = find_declared_type(template->declared_type);
	}
}

/* ---- its value ---- */

static void
prepare_populate(JoSqlParam *param)
{
	List	   *args;

	/* jsonb_populate_record() takes the row type from its first argument's expression */
	args = list_make2(makeNullConst(param->type, -1, InvalidOid),
					  makeNullConst(JSONBOID, -1, InvalidOid));
	fmgr_info_cxt(F_JSONB_POPULATE_RECORD, &param->populate, param->context);
	param->populate.fn_expr = (Node *) makeFuncExpr(F_JSONB_POPULATE_RECORD, param->type, args,
													InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

static BindKind
find_kind(Oid base)
{
	switch (base)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return BIND_TEXT;
		case JSONOID:
			return BIND_JSON;
		case JSONBOID:
			return BIND_JSONB;
		default:
			break;
	}
	if (OidIsValid(get_element_type(base)))
		return BIND_ARRAY;
	return type_is_rowtype(base) ? BIND_COMPOSITE : BIND_INPUT;
}

JoSqlParam *
jo_sqlparam_create(Oid type, MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	JoSqlParam *param = palloc0(sizeof(JoSqlParam));
	Oid			base = getBaseType(type);
	Oid			input;

	param->type = type;
	param->kind = find_kind(base);
	param->is_domain = base != type;
	param->context = context;
	getTypeInputInfo(type, &input, &param->io_param);
	fmgr_info_cxt(input, &param->input, context);
	if (param->kind == BIND_COMPOSITE)
		prepare_populate(param);
	else if (param->kind == BIND_ARRAY)
	{
		Oid			element = get_element_type(base);

		param->element = jo_sqlparam_create(element, context);
		get_typlenbyvalalign(element, &param->length, &param->by_value, &param->align);
	}
	MemoryContextSwitchTo(caller);
	return param;
}

Oid
jo_sqlparam_type(const JoSqlParam *param)
{
	return param->type;
}

static Datum
convert_composite(JoSqlParam *param, Jsonb *value, bool *isnull)
{
	LOCAL_FCINFO(fcinfo, 2);
	Datum		result;

	InitFunctionCallInfoData(*fcinfo, &param->populate, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = (Datum) 0;
	fcinfo->args[0].isnull = true;
	fcinfo->args[1].value = JsonbPGetDatum(value);
	fcinfo->args[1].isnull = false;
	result = FunctionCallInvoke(fcinfo);
	*isnull = fcinfo->isnull;
	return result;
}

typedef struct ArrayBuild
{
	JoSqlParam *element;
	int			ndims;
	int			dims[MAXDIM];
	int			n;
	int			capacity;
	Datum	   *values;
	bool	   *nulls;
} ArrayBuild;

/* How deep and how wide the array is, by its first elements. */
static void
measure_array(ArrayBuild *build, JsonbContainer *container)
{
	bool		elements_are_json = build->element->kind == BIND_JSONB ||
		build->element->kind == BIND_JSON;

	for (;;)
	{
		JsonbValue *first;

		if (build->ndims == MAXDIM)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("number of array dimensions exceeds the maximum allowed (%d)", MAXDIM)));
		build->dims[build->ndims++] = JsonContainerSize(container);
		first = getIthJsonbValueFromContainer(container, 0);
		/* of jsonb[], each element is a value as it is */
		if (elements_are_json || first == NULL || first->type != jbvBinary ||
			!JsonContainerIsArray(first->val.binary.data))
			return;
		container = first->val.binary.data;
	}
}

static void
collect_elements(ArrayBuild *build, JsonbContainer *container, int depth)
{
	uint32		i;

	if ((int) JsonContainerSize(container) != build->dims[depth])
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("nested JSON arrays have different lengths"),
				 errdetail("One has %d elements, another one %d.",
						   build->dims[depth], (int) JsonContainerSize(container))));
	for (i = 0; i < JsonContainerSize(container); i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(container, i);
		bool		nested = value->type == jbvBinary &&
			JsonContainerIsArray(value->val.binary.data);

		if (depth + 1 < build->ndims)
		{
			if (!nested)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
						 errmsg("a JSON array mixes arrays with other values")));
			collect_elements(build, value->val.binary.data, depth + 1);
			continue;
		}
		build->values[build->n] = jo_sqlparam_convert(build->element, jo_jsonb_from_value(value),
													  &build->nulls[build->n]);
		build->n++;
	}
}

static Datum
convert_array(JoSqlParam *param, Jsonb *value)
{
	ArrayBuild	build;
	ArrayType  *array;
	int			lower[MAXDIM];
	int			i;

	if (JB_ROOT_COUNT(value) == 0)
		return PointerGetDatum(construct_empty_array(param->element->type));
	memset(&build, 0, sizeof(build));
	build.element = param->element;
	measure_array(&build, &value->root);
	build.capacity = ArrayGetNItems(build.ndims, build.dims);
	build.values = palloc(sizeof(Datum) * Max(build.capacity, 1));
	build.nulls = palloc(sizeof(bool) * Max(build.capacity, 1));
	collect_elements(&build, &value->root, 0);
	for (i = 0; i < build.ndims; i++)
		lower[i] = 1;
	array = construct_md_array(build.values, build.nulls, build.ndims, build.dims, lower,
							   param->element->type, param->length, param->by_value, param->align);
	return PointerGetDatum(array);
}

static Datum
check_domain(JoSqlParam *param, Datum value, bool isnull)
{
	domain_check(value, isnull, param->type, &param->domain_extra, param->context);
	return value;
}

static Datum
convert_plain(JoSqlParam *param, Jsonb *value, bool *isnull)
{
	switch (param->kind)
	{
		case BIND_JSONB:
			return JsonbPGetDatum(value);
		case BIND_JSON:
			return CStringGetTextDatum(JsonbToCString(NULL, &value->root, VARSIZE(value)));
		case BIND_TEXT:
			return CStringGetTextDatum(jo_jsonb_text(value));
		case BIND_ARRAY:
			return convert_array(param, value);
		case BIND_COMPOSITE:
			return convert_composite(param, value, isnull);
		case BIND_INPUT:
			break;
	}
	elog(ERROR, "unexpected kind %d of a parameter", (int) param->kind);
	return (Datum) 0;			/* not reached */
}

/* Must the value go through the type's input function? */
static bool
needs_input(const JoSqlParam *param, Jsonb *value, bool is_scalar)
{
	if (param->kind == BIND_INPUT)
		return true;
	if (param->kind == BIND_ARRAY)
		return is_scalar || !JB_ROOT_IS_ARRAY(value);
	return param->kind == BIND_COMPOSITE && (is_scalar || !JB_ROOT_IS_OBJECT(value));
}

Datum
jo_sqlparam_convert(JoSqlParam *param, Jsonb *value, bool *isnull)
{
	JsonbValue	scalar;
	bool		is_scalar = JsonbExtractScalar(&value->root, &scalar);
	Datum		result;

	*isnull = is_scalar && scalar.type == jbvNull;
	if (*isnull)
		return param->is_domain ? check_domain(param, (Datum) 0, true) : (Datum) 0;
	if (needs_input(param, value, is_scalar))
		return InputFunctionCall(&param->input, jo_jsonb_text(value), param->io_param, -1);
	result = convert_plain(param, value, isnull);
	return param->is_domain ? check_domain(param, result, *isnull) : result;
}
