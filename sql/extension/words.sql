-- Letters and numbers of the rows, and the words that users read and write.
--
-- The functions that views use are plain expressions, fully qualified: they are
-- inlined, and no search_path changes what they mean.

-- Statuses of runs, steps and attempts; a letter means the same in all of them.
CREATE FUNCTION joborch_internal.status_word(p_status "char") RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN p_status OPERATOR(pg_catalog.=) 'c' THEN 'completed'
		WHEN p_status OPERATOR(pg_catalog.=) 'f' THEN 'failed'
		WHEN p_status OPERATOR(pg_catalog.=) 'x' THEN 'cancelled'
		WHEN p_status OPERATOR(pg_catalog.=) 's' THEN 'skipped'
		WHEN p_status OPERATOR(pg_catalog.=) 'r' THEN 'running'
		WHEN p_status OPERATOR(pg_catalog.=) 't' THEN 'retrying'
		WHEN p_status OPERATOR(pg_catalog.=) 'w' THEN 'waiting'
		WHEN p_status OPERATOR(pg_catalog.=) 'q' THEN 'queued'
		WHEN p_status OPERATOR(pg_catalog.=) 'p' THEN 'pending'
	END
$$;

CREATE FUNCTION joborch_internal.priority_word(p_ord smallint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN p_ord OPERATOR(pg_catalog.=) 0 THEN 'critical'
		WHEN p_ord OPERATOR(pg_catalog.=) 1 THEN 'high'
		WHEN p_ord OPERATOR(pg_catalog.=) 2 THEN 'medium'
		WHEN p_ord OPERATOR(pg_catalog.=) 3 THEN 'low'
	END
$$;

CREATE FUNCTION joborch_internal.signal_word(p_kind "char") RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN p_kind OPERATOR(pg_catalog.=) 's' THEN 'signal'
		WHEN p_kind OPERATOR(pg_catalog.=) 'a' THEN 'approved'
		WHEN p_kind OPERATOR(pg_catalog.=) 'r' THEN 'rejected'
		WHEN p_kind OPERATOR(pg_catalog.=) 'd' THEN 'completed'
		WHEN p_kind OPERATOR(pg_catalog.=) 'e' THEN 'failed'
		WHEN p_kind OPERATOR(pg_catalog.=) 'n' THEN 'skipped'
	END
$$;

-- ---- what users write ----

CREATE FUNCTION joborch_internal.priority_number(p_word text) RETURNS smallint
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	v_word text := CASE p_word WHEN 'normal' THEN 'medium' WHEN 'urgent' THEN 'critical' ELSE p_word END;
	v_ord integer := array_position(ARRAY['critical', 'high', 'medium', 'low'], v_word) - 1;
BEGIN
	IF v_ord IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('priority "%s" does not exist', p_word),
			HINT = 'Priorities are critical, high, medium and low.';
	END IF;
	RETURN v_ord;
END
$$;

-- One status of a run, in any spelling that is accepted.
CREATE FUNCTION joborch_internal.run_status_of(p_word text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	v_word text := lower(btrim(p_word));
BEGIN
	v_word := CASE v_word
		WHEN 'queued' THEN 'pending'
		WHEN 'created' THEN 'pending'
		WHEN 'succeeded' THEN 'completed'
		WHEN 'canceled' THEN 'cancelled'
		ELSE v_word
	END;
	IF v_word NOT IN ('pending', 'running', 'paused', 'recovering', 'completed', 'failed', 'cancelled') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('status "%s" of a run does not exist', p_word),
			HINT = 'Statuses are pending, running, paused, recovering, completed, failed and cancelled.';
	END IF;
	RETURN v_word;
END
$$;

-- A list of them, as JSON array or as text with commas.
CREATE FUNCTION joborch_internal.run_statuses_of(p_words jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(DISTINCT joborch_internal.run_status_of(w.word) ORDER BY joborch_internal.run_status_of(w.word))
	FROM jsonb_array_elements_text(
			CASE jsonb_typeof(p_words)
				WHEN 'array' THEN p_words
				ELSE to_jsonb(string_to_array(p_words #>> '{}', ','))
			END) AS w (word)
$$;

CREATE FUNCTION joborch.format_duration(duration interval) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	v_ms bigint := round(extract(epoch FROM duration) * 1000);
	v_sign text := CASE WHEN v_ms < 0 THEN '-' ELSE '' END;
BEGIN
	v_ms := abs(v_ms);
	RETURN v_sign || CASE
		WHEN v_ms < 1000 THEN v_ms || 'ms'
		WHEN v_ms < 60000 THEN trim_scale(v_ms / 1000.0) || 's'
		WHEN v_ms < 3600000 THEN format('%sm %ss', v_ms / 60000, v_ms / 1000 % 60)
		WHEN v_ms < 86400000 THEN format('%sh %sm %ss', v_ms / 3600000, v_ms / 60000 % 60, v_ms / 1000 % 60)
		ELSE format('%sd %sh %sm', v_ms / 86400000, v_ms / 3600000 % 24, v_ms / 60000 % 60)
	END;
END
$$;
COMMENT ON FUNCTION joborch.format_duration(interval) IS 'a duration as people read it: 250ms, 12.5s, 3m 20s, 1h 2m 3s, 2d 5h 0m';

-- How a run must end for what follows it.
CREATE FUNCTION joborch_internal.dependency_word(p_type "char") RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE p_type WHEN 's' THEN 'success' WHEN 'f' THEN 'failure' ELSE 'completion' END
$$;
