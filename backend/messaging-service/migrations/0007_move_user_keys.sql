-- People's keys move to a database of their own (docs/adr/0012). The service copies them there at its start, before it answers,
-- and removes them here. Under another name, so that a release that looks for them here refuses rather than makes others.
ALTER TABLE user_keys RENAME TO user_keys_to_move;
