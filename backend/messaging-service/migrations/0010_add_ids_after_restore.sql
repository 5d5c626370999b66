-- A restored database counts each conversation's events on from where the backup was, so the numbers that were given after the
-- backup are given a second time. On the bus, ids of events after this position are therefore made of the log's id as well:
-- a receiver that remembers the ids of the world that was lost takes none of the new events for a repeat. NULL: never restored.
ALTER TABLE event_clock ADD COLUMN own_ids_after bigint;
