-- joborch: durable multi-step background jobs inside the database.
\echo Use "CREATE EXTENSION joborch" to load this file. \quit

