/*
 * store_egress.c
 *		What roles may reach (egress_rule), and what was refused (egress_refusal).
 *
 * Refusals are a ring of rows that are used again and again, so that a step that is
 * refused for ever costs no more room than one that is refused once.  Touches
 * these tables only.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "utils/snapmgr.h"

#include "store_internal.h"

/* ---- rules ---- */

static void
take_addresses(JoTuple *tuple, JoEgressRuleRow *row)
{
	Datum	   *texts;
	bool	   *nulls;

	deconstruct_array(get_array(tuple), TEXTOID, -1, false, TYPALIGN_INT, &texts, &nulls, &row->naddresses);
	row->addresses = palloc(sizeof(char *) * (row->naddresses + 1));
	for (int i = 0; i < row->naddresses; i++)
		row->addresses[i] = TextDatumGetCString(texts[i]);
}

static void
take_rule(JoTuple *tuple, JoEgressRuleRow *row)
{
	tuple->n = 0;
	row->rule_id = get_int64(tuple);
	row->role = get_oid(tuple);
	row->everyone = get_bool(tuple);
	row->deny = get_bool(tuple);
	row->insecure = get_bool(tuple);
	row->schemes = get_int32(tuple);
	row->port_low = get_int32(tuple);
	row->port_high = get_int32(tuple);
	row->max_concurrent = get_int32(tuple);
	row->rate = tuple->nulls[tuple->n] ? 0 : DatumGetFloat8(tuple->values[tuple->n]);
	tuple->n++;
	row->host = get_text(tuple);
	take_addresses(tuple, row);
}

int
jo_store_egress_rules(JoEgressRuleRow **rows, Oid *relid)
{
	int			capacity = 16;
	int			n = 0;
	JoScan		scan;
	JoTuple		tuple;

	*rows = palloc(sizeof(JoEgressRuleRow) * capacity);
	jo_store_scan_table(&scan, JO_TABLE_EGRESS_RULE, AccessShareLock, jo_store_latest());
	*relid = RelationGetRelid(scan.table);
	while (jo_store_scan_next(&scan, &tuple))
	{
		if (n == capacity)
		{
			capacity *= 2;
			*rows = repalloc(*rows, sizeof(JoEgressRuleRow) * capacity);
		}
		take_rule(&tuple, &(*rows)[n++]);
	}
	jo_store_scan_end(&scan);
	return n;
}

/* ---- refusals ---- */

static void
put_refusal(JoTuple *tuple, const JoEgressRefusalRow *row, int64 refusal_id)
{
	tuple->n = 0;
	put_datum(tuple, Int64GetDatum(refusal_id));
	put_datum(tuple, TimestampTzGetDatum(row->refused_at));
	put_datum(tuple, Int64GetDatum(row->run_id));
	put_datum(tuple, Int32GetDatum((int32) (refusal_id % JO_REFUSALS)));
	put_datum(tuple, ObjectIdGetDatum(row->role));
	put_datum(tuple, Int32GetDatum(row->item));
	put_datum(tuple, Int32GetDatum(row->port));
	put_text(tuple, row->scheme);
	put_text(tuple, row->host);
	put_text(tuple, row->why);
	put_text(tuple, row->role_name);
	put_text(tuple, row->step_name);
	put_text(tuple, row->address);
}

void
jo_store_put_refusal(const JoEgressRefusalRow *row)
{
	int64		refusal_id = nextval_internal(jo_store_oid(JO_TABLE_EGRESS_REFUSAL_SEQ), false);
	ScanKeyData key;
	JoScan		scan;
	JoTuple		tuple;
	bool		found;

	CommandCounterIncrement();
	jo_store_key_int32(&key, 1, (int32) (refusal_id % JO_REFUSALS));
	jo_store_scan_begin(&scan, JO_INDEX_EGRESS_REFUSAL_PKEY, RowExclusiveLock, &key, 1, SnapshotSelf);
	found = jo_store_scan_next(&scan, &tuple);
	put_refusal(&tuple, row, refusal_id);
	if (found)
		(void) jo_store_update(JO_TABLE_EGRESS_REFUSAL, scan.table, &tuple, true);
	jo_store_scan_end(&scan);
	if (!found)
		jo_store_insert(JO_TABLE_EGRESS_REFUSAL, &tuple);
}
