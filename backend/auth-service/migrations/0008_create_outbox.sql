-- What has happened and is not on the bus yet: a row for each event, written in the transaction of the change and deleted by
-- the relay once the bus has it (docs/adr/0013).
--
-- Two changes to one aggregate take turns by a lock that both hold until they commit, and a row gets its position while it is
-- held: so within an aggregate the order of positions is the order of commits. Between aggregates there is no order. A row
-- whose transaction commits late is not missed, since nobody remembers a position to read on from.

CREATE TABLE outbox (
    position     bigint GENERATED ALWAYS AS IDENTITY,
    id           uuid        NOT NULL,
    topic        text        NOT NULL,
    type         text        NOT NULL,
    subject      text        NOT NULL,
    aggregate_id uuid        NOT NULL,
    created_at   timestamptz NOT NULL,
    traceparent  text,
    data         bytea       NOT NULL,
    CONSTRAINT outbox_pkey PRIMARY KEY (position),
    CONSTRAINT outbox_data_check CHECK (octet_length(data) <= 262144)
)
-- Rows live for milliseconds: what they leave behind is swept early, so that the table stays a few pages.
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_analyze_scale_factor = 0,
      autovacuum_analyze_threshold = 100000);
