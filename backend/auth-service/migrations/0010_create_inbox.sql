-- What this service has done about events of the bus (backend/libs/events, schema/0002_create_inbox.sql).

CREATE TABLE inbox (
    consumer    text        NOT NULL,
    event_id    uuid        NOT NULL,
    received_at timestamptz NOT NULL,
    CONSTRAINT inbox_pkey PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_received_idx ON inbox (consumer, received_at);

CREATE TABLE consumer_offsets (
    consumer text   NOT NULL,
    topic    text   NOT NULL,
    position bigint NOT NULL,
    CONSTRAINT consumer_offsets_pkey PRIMARY KEY (consumer, topic)
);

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
    fault        text,
    redrive      boolean     NOT NULL DEFAULT false,
    CONSTRAINT dead_letters_pkey PRIMARY KEY (position),
    CONSTRAINT dead_letters_event_key UNIQUE (consumer, event_id)
);
CREATE INDEX dead_letters_aggregate_idx ON dead_letters (consumer, topic, aggregate_id, position);
CREATE INDEX dead_letters_redrive_idx ON dead_letters (consumer) WHERE redrive;
