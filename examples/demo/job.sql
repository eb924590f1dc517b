-- Four files are loaded in parallel, checked, joined and summed up.  Every step
-- commits its rows and its own end in one transaction; the sleeps are there so
-- that there is something to watch.
SELECT joborch.create_job('world_atlas', $job$
{
  "description": "countries, subdivisions, currencies and languages of the ISO standards",
  "input": {"properties": {"minimum_countries": {"type": "integer", "default": 200}}},
  "timeout": "5 min",
  "steps": [
    {"name": "clear_tables", "sql": [
      "SELECT pg_sleep(0.3);",
      "TRUNCATE atlas.country, atlas.subdivision, atlas.currency, atlas.language, atlas.gazetteer"]},

    {"name": "load_countries", "depends_on": ["clear_tables"], "sql": [
      "SELECT pg_sleep(0.5);",
      "INSERT INTO atlas.country",
      "SELECT * FROM jsonb_to_recordset(atlas.iso_codes('3166-1')) AS c(alpha_2 text, alpha_3 text, name text, flag text)"]},
    {"name": "load_subdivisions", "depends_on": ["clear_tables"], "sql": [
      "SELECT pg_sleep(0.8);",
      "INSERT INTO atlas.subdivision",
      "SELECT code, split_part(code, '-', 1), name, type",
      "FROM jsonb_to_recordset(atlas.iso_codes('3166-2')) AS s(code text, name text, type text)"]},
    {"name": "load_currencies", "depends_on": ["clear_tables"], "sql": [
      "SELECT pg_sleep(0.4);",
      "INSERT INTO atlas.currency",
      "SELECT * FROM jsonb_to_recordset(atlas.iso_codes('4217')) AS c(alpha_3 text, name text)"]},
    {"name": "load_languages", "depends_on": ["clear_tables"], "sql": [
      "SELECT pg_sleep(0.7);",
      "INSERT INTO atlas.language",
      "SELECT * FROM jsonb_to_recordset(atlas.iso_codes('639-3')) AS l(alpha_3 text, name text, scope text, type text)"]},

    {"name": "ask_service", "depends_on": ["clear_tables"],
     "retry": {"max_attempts": 3, "initial": "600 ms"},
     "sql": ["SELECT pg_sleep(0.3);", "SELECT atlas.ask_unreliable_service() AS answer"]},

    {"name": "validate",
     "depends_on": ["load_countries", "load_subdivisions", "load_currencies", "load_languages"],
     "sql": [
      "SELECT pg_sleep(0.3);",
      "SELECT (SELECT count(*) FROM atlas.country) >= {{ input.minimum_countries }}::bigint AS enough_countries,",
      "       (SELECT count(*) FROM atlas.subdivision s LEFT JOIN atlas.country c ON c.alpha_2 = s.country",
      "        WHERE c.alpha_2 IS NULL) AS orphans"]},
    {"name": "remove_orphans", "depends_on": ["validate"],
     "when": "$.steps.validate.row.orphans > 0",
     "sql": "DELETE FROM atlas.subdivision s WHERE NOT EXISTS (SELECT FROM atlas.country c WHERE c.alpha_2 = s.country)"},

    {"name": "join_tables", "depends_on": ["validate", "remove_orphans"], "trigger_rule": "none_failed",
     "sql": [
      "SELECT pg_sleep(0.6);",
      "INSERT INTO atlas.gazetteer",
      "SELECT c.alpha_2, c.name, count(s.code), mode() WITHIN GROUP (ORDER BY s.type),",
      "       (SELECT min(m.alpha_3) FROM atlas.currency m WHERE left(m.alpha_3, 2) = c.alpha_2)",
      "FROM atlas.country c LEFT JOIN atlas.subdivision s ON s.country = c.alpha_2",
      "GROUP BY c.alpha_2, c.name"]},
    {"name": "count_languages", "depends_on": ["validate"],
     "sql": [
      "SELECT pg_sleep(0.5);",
      "SELECT count(*) FILTER (WHERE type = 'L') AS living, count(*) FILTER (WHERE type = 'E') AS extinct,",
      "       count(*) FILTER (WHERE type = 'C') AS constructed, count(*) AS languages FROM atlas.language"]},

    {"name": "report", "depends_on": ["join_tables", "count_languages", "ask_service"],
     "sql": [
      "SELECT pg_sleep(0.3);",
      "SELECT count(*) AS countries, sum(subdivisions) AS subdivisions, count(currency) AS with_own_currency,",
      "       {{ steps.count_languages.row.living }}::bigint AS living_languages,",
      "       {{ steps.ask_service.value }}::text AS service_says",
      "FROM atlas.gazetteer"]}
  ],
  "output": "{{ steps.report.row }}"
}
$job$);
