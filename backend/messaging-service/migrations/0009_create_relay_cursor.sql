-- How far the log of changes is on the event bus (docs/adr/0013). The log of 0004 is this service's outbox: nothing more is written
-- when a message is sent, and the relay moves this row in a transaction of its own.
--
-- It begins with what is committed from now on: everything below the snapshot's oldest transaction is in the log already.

CREATE TABLE relay_cursor (
    id              boolean NOT NULL,
    -- The last event that is on the bus, or one before the first that is to be.
    position        bigint  NOT NULL,
    conversation_id uuid    NOT NULL,
    event_no        bigint  NOT NULL,
    CONSTRAINT relay_cursor_pkey PRIMARY KEY (id),
    CONSTRAINT relay_cursor_one_row_check CHECK (id)
);
INSERT INTO relay_cursor (id, position, conversation_id, event_no)
SELECT true, k.xid_offset + pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1,
       'ffffffff-ffff-ffff-ffff-ffffffffffff', 9223372036854775807
FROM event_clock k WHERE k.id;
