-- What access tokens are signed with, and the services that may ask for one.

CREATE TABLE signing_keys (
    -- RFC 7638 thumbprint.
    kid            text        CONSTRAINT signing_keys_pkey PRIMARY KEY,
    algorithm      text        NOT NULL,
    -- PKCS #8, sealed with the master key.
    private_sealed bytea       NOT NULL,
    created_at     timestamptz NOT NULL,
    -- From then on it signs; until then it is only published, so that every verifier has it in time.
    activates_at   timestamptz NOT NULL,
    -- From then on it signs no more; it stays published until the last token signed with it has expired.
    retires_at     timestamptz,
    CONSTRAINT signing_keys_algorithm_check CHECK (algorithm IN ('RS256', 'EdDSA')),
    CONSTRAINT signing_keys_retires_at_check CHECK (retires_at IS NULL OR retires_at >= activates_at)
);

CREATE TABLE service_clients (
    client_id   text        CONSTRAINT service_clients_pkey PRIMARY KEY,
    -- SHA-256: the secret is long and random, so it needs no slow hash.
    secret_hash bytea       NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);
