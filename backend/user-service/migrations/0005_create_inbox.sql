-- What this service has done about events of the bus: written in the transaction of the effect (docs/adr/0013).

-- Events acted on, so that a repeat is passed over. A row is kept for longer than the bus keeps the event.
CREATE TABLE inbox (
    consumer    text        NOT NULL,
    event_id    uuid        NOT NULL,
    received_at timestamptz NOT NULL,
    CONSTRAINT inbox_pkey PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_received_idx ON inbox (consumer, received_at);

-- How far each consumer has come in a topic of the PostgreSQL log. Kafka keeps its own.
CREATE TABLE consumer_offsets (
    consumer text   NOT NULL,
    topic    text   NOT NULL,
    -- Everything up to here is done.
    position bigint NOT NULL,
    CONSTRAINT consumer_offsets_pkey PRIMARY KEY (consumer, topic)
);

-- Events that could not be acted on, and those that came after one in its aggregate, in the order in which they arrived.
CREATE TABLE dead_letters (
    position     bigint GENERATED ALWAYS AS IDENTITY,
    consumer     text        NOT NULL,
    event_id     uuid        NOT NULL,
    topic        text        NOT NULL,
    type         text        NOT NULL,
    subject      text        NOT NULL,
    aggregate_id uuid        NOT NULL,
    created_at   timestamptz NOT NULL,
    traceparent  text,
    data         bytea       NOT NULL,
    died_at      timestamptz NOT NULL,
    -- Why it was not acted on; NULL if it only waits for one before it.
    fault        text,
    -- To be tried again.
    redrive      boolean     NOT NULL DEFAULT false,
    CONSTRAINT dead_letters_pkey PRIMARY KEY (position),
    CONSTRAINT dead_letters_event_key UNIQUE (consumer, event_id)
);
CREATE INDEX dead_letters_aggregate_idx ON dead_letters (consumer, topic, aggregate_id, position);
CREATE INDEX dead_letters_redrive_idx ON dead_letters (consumer) WHERE redrive;
