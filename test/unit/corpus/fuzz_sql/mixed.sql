SELECT {{ input.x | default('it''s') | json }}, 'a''b', E'\'', U&'x', "q""q", $t$ {{ no }} $t$ -- c
 /* /* n */ */ FROM {{ vars.s | ident }}.{{ vars.t | ident }} WHERE a > interval '1 day'