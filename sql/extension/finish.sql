-- Last of all: at commit, the processes learn that this database has joborch.
SELECT joborch_internal.announce_extension();
