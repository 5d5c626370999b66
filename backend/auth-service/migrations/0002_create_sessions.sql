-- Log-ins and the refresh tokens that keep them alive.

CREATE TABLE sessions (
    id           uuid        CONSTRAINT sessions_pkey PRIMARY KEY,
    user_id      uuid        NOT NULL,
    device_name  text        NOT NULL,
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    -- When its newest refresh token expires.
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);

CREATE INDEX sessions_user_id_idx ON sessions (user_id, id) WHERE revoked_at IS NULL;
-- Every verifier asks for the newest of these several times a second.
CREATE INDEX sessions_revoked_at_idx ON sessions (revoked_at, id) WHERE revoked_at IS NOT NULL;
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);

-- Used tokens stay for an hour. One that comes back later still gives itself away: its tag shows that it was issued, and it
-- is not here any more.
CREATE TABLE refresh_tokens (
    token_hash     bytea       CONSTRAINT refresh_tokens_pkey PRIMARY KEY,
    session_id     uuid        NOT NULL,
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    used_at        timestamptz,
    -- The successor is HMAC-SHA256(token, salt): a repeat can be given the same one, and no token is stored.
    successor_salt bytea,
    CONSTRAINT refresh_tokens_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions (id),
    CONSTRAINT refresh_tokens_used_check CHECK ((used_at IS NULL) = (successor_salt IS NULL))
);

CREATE INDEX refresh_tokens_session_id_idx ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expires_at_idx ON refresh_tokens (expires_at);
CREATE INDEX refresh_tokens_used_at_idx ON refresh_tokens (used_at) WHERE used_at IS NOT NULL;
