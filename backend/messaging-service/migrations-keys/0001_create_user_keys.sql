-- People's keys, apart from what is sealed with them: a backup of the messages holds none, so with a key that is destroyed here
-- what it opened is gone from every backup too (docs/adr/0012).

CREATE TABLE user_keys (
    user_id      uuid        NOT NULL,
    -- Wrapped by the root key of nova_messaging; NULL once it has been destroyed. The row stays, so that no other key takes its
    -- place, and so that messages restored from an old backup stay unreadable.
    wrapped      bytea,
    created_at   timestamptz NOT NULL,
    destroyed_at timestamptz,
    CONSTRAINT user_keys_pkey PRIMARY KEY (user_id),
    CONSTRAINT user_keys_destroyed_check CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
