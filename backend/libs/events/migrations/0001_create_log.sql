-- The event bus of installations without Kafka: an append-only log in a database of its own (docs/adr/0013).
--
-- Who publishes to a topic holds its lock until the commit, and an event gets its position while it is held: so in a topic the
-- order of positions is the order of commits, and a reader who goes on from the last position that it saw misses nothing.

CREATE TABLE topics (
    name             text   NOT NULL,
    -- Events up to here may have been dropped.
    expired_position bigint NOT NULL DEFAULT 0,
    CONSTRAINT topics_pkey PRIMARY KEY (name)
);
INSERT INTO topics (name) VALUES ('nova.auth.v1'), ('nova.user.v1'), ('nova.messaging.v1');

CREATE TABLE events (
    topic        text        NOT NULL,
    position     bigint GENERATED ALWAYS AS IDENTITY,
    id           uuid        NOT NULL,
    type         text        NOT NULL,
    subject      text        NOT NULL,
    aggregate_id uuid        NOT NULL,
    created_at   timestamptz NOT NULL,
    published_at timestamptz NOT NULL,
    traceparent  text,
    data         bytea       NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (topic, position),
    -- An event that a relay publishes again, because it did not live to see the answer, is there already.
    CONSTRAINT events_id_key UNIQUE (topic, id)
);
CREATE INDEX events_published_idx ON events (topic, published_at, position);
