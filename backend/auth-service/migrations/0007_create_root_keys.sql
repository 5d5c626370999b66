-- What this database seals – signing keys, TOTP secrets, the audit log's key – it seals with its root key, which lies here
-- wrapped by the master key from outside. So another master key means wrapping one key anew (docs/adr/0012).
CREATE TABLE root_keys (
    id         smallint    NOT NULL,
    wrapped    bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    wrapped_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT root_keys_pkey PRIMARY KEY (id),
    CONSTRAINT root_keys_one_row_check CHECK (id = 1)
);
