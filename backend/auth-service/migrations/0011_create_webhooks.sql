-- Addresses that events are sent to, and what is sent to them (docs/adr/0016).

CREATE TABLE webhooks (
    id                uuid        NOT NULL,
    url               text        NOT NULL,
    description       text        NOT NULL,
    -- Types of events in alphabetical order; {*} for all.
    event_types       text[]      NOT NULL,
    -- Sealed with the root key; empty once the webhook is deleted.
    secret_sealed     bytea       NOT NULL,
    -- The secret before, while it still signs.
    old_secret_sealed bytea,
    old_secret_until  timestamptz,
    -- Why nothing is sent; NULL: it is enabled.
    disabled_reason   text,
    -- Since when every attempt has failed.
    failing_since     timestamptz,
    -- The receiver asked to be left alone until then.
    not_before        timestamptz,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    deleted_at        timestamptz,
    version           bigint      NOT NULL DEFAULT 1,
    CONSTRAINT webhooks_pkey PRIMARY KEY (id),
    CONSTRAINT webhooks_disabled_check CHECK (disabled_reason IN ('BY_ADMINISTRATOR', 'GONE', 'FAILING')),
    CONSTRAINT webhooks_old_secret_check CHECK ((old_secret_sealed IS NULL) = (old_secret_until IS NULL))
);

CREATE TABLE webhook_deliveries (
    id           uuid        NOT NULL,
    webhook_id   uuid        NOT NULL,
    -- Grows along an aggregate: rows of one stream of events are written by one consumer at a time, in their order.
    position     bigint GENERATED ALWAYS AS IDENTITY,
    event_id     uuid        NOT NULL,
    type         text        NOT NULL,
    topic        text        NOT NULL,
    aggregate_id uuid        NOT NULL,
    -- What is sent, byte by byte, so that a later release sends the same under the same webhook-id.
    body         bytea       NOT NULL,
    state        text        NOT NULL DEFAULT 'PENDING',
    -- Attempts ever, and those since it was made or last replayed.
    attempts     integer     NOT NULL DEFAULT 0,
    tries        integer     NOT NULL DEFAULT 0,
    last_status  smallint,
    last_fault   text,
    created_at   timestamptz NOT NULL,
    -- When it was made or last replayed: it is given up so long after that.
    begun_at     timestamptz NOT NULL,
    done_at      timestamptz,
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id),
    CONSTRAINT webhook_deliveries_position_key UNIQUE (position),
    CONSTRAINT webhook_deliveries_event_key UNIQUE (webhook_id, event_id),
    CONSTRAINT webhook_deliveries_webhook_fkey FOREIGN KEY (webhook_id) REFERENCES webhooks (id),
    CONSTRAINT webhook_deliveries_state_check CHECK (state IN ('PENDING', 'DELIVERED', 'FAILED'))
);
-- The next of a lane; how many wait.
CREATE INDEX webhook_deliveries_lane_idx ON webhook_deliveries (webhook_id, topic, aggregate_id, position)
    WHERE state = 'PENDING';
-- Lists: of a webhook, of a state.
CREATE INDEX webhook_deliveries_webhook_idx ON webhook_deliveries (webhook_id, position);
CREATE INDEX webhook_deliveries_state_idx ON webhook_deliveries (state, position);
-- What is too old to be kept.
CREATE INDEX webhook_deliveries_created_idx ON webhook_deliveries (created_at);

-- What waits to be sent to a webhook about one aggregate: a row while anything does. Who sends holds no lock meanwhile; it moves
-- next_attempt_at on instead, so that nobody else takes the lane until it must be presumed dead. All that adds to a lane or
-- takes from it locks its row first: so nothing is left behind without a lane.
CREATE TABLE webhook_lanes (
    webhook_id      uuid        NOT NULL,
    topic           text        NOT NULL,
    aggregate_id    uuid        NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    -- Who is sending: an outcome of somebody else counts for nothing.
    taken_by        uuid,
    CONSTRAINT webhook_lanes_pkey PRIMARY KEY (webhook_id, topic, aggregate_id),
    CONSTRAINT webhook_lanes_webhook_fkey FOREIGN KEY (webhook_id) REFERENCES webhooks (id)
);
CREATE INDEX webhook_lanes_due_idx ON webhook_lanes (webhook_id, next_attempt_at);

-- Every try.
CREATE TABLE webhook_attempts (
    delivery_id uuid        NOT NULL,
    number      integer     NOT NULL,
    at          timestamptz NOT NULL,
    -- The answer's, or why there was none.
    status      smallint,
    fault       text,
    duration_ms integer     NOT NULL,
    answer      text        NOT NULL,
    CONSTRAINT webhook_attempts_pkey PRIMARY KEY (delivery_id, number),
    CONSTRAINT webhook_attempts_delivery_fkey FOREIGN KEY (delivery_id)
        REFERENCES webhook_deliveries (id) ON DELETE CASCADE
);
