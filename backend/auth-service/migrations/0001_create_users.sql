-- Accounts and what their owners prove themselves with.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE users (
    id                   uuid        CONSTRAINT users_pkey PRIMARY KEY,
    -- Folded to lower case by the application.
    username             text        NOT NULL,
    -- As the person wrote it; erased when the account is deleted.
    email                text,
    email_verified       boolean     NOT NULL DEFAULT false,
    active               boolean     NOT NULL DEFAULT true,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    deleted_at           timestamptz,
    -- What the user service still has to be told of: its database is another one, so no transaction covers both.
    profile_sync         text,
    profile_sync_at      timestamptz,
    profile_display_name text,
    -- A deleted account keeps its name: nobody can pose as the person who left.
    CONSTRAINT users_username_key UNIQUE (username),
    CONSTRAINT users_username_check CHECK (username ~ '^[a-z0-9_.]{3,32}$'),
    CONSTRAINT users_email_check CHECK (deleted_at IS NOT NULL OR email IS NOT NULL),
    CONSTRAINT users_profile_sync_check CHECK (profile_sync IN ('create', 'delete')),
    CONSTRAINT users_profile_sync_at_check CHECK ((profile_sync IS NULL) = (profile_sync_at IS NULL))
);

CREATE UNIQUE INDEX users_email_key ON users (lower(email)) WHERE deleted_at IS NULL;
CREATE INDEX users_live_idx ON users (id) WHERE deleted_at IS NULL;
CREATE INDEX users_username_trgm_idx ON users USING gin (username gin_trgm_ops) WHERE deleted_at IS NULL;
CREATE INDEX users_email_trgm_idx ON users USING gin (lower(email) gin_trgm_ops) WHERE deleted_at IS NULL;
CREATE INDEX users_profile_sync_idx ON users (profile_sync_at) WHERE profile_sync IS NOT NULL;

-- Apart from users, so that counting failed log-ins does not rewrite the row that everything else reads.
CREATE TABLE credentials (
    user_id             uuid        CONSTRAINT credentials_pkey PRIMARY KEY,
    -- PHC string of Argon2id.
    password_hash       text        NOT NULL,
    password_changed_at timestamptz NOT NULL,
    failed_attempts     integer     NOT NULL DEFAULT 0,
    last_failed_at      timestamptz,
    locked_until        timestamptz,
    CONSTRAINT credentials_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT credentials_failed_attempts_check CHECK (failed_attempts >= 0)
);

-- Failed log-ins by what was typed, whether anybody has that name or not: a lock-out tells neither which names exist nor
-- which name and which e-mail are one person's.
CREATE TABLE login_failures (
    -- SHA-256 of the name in lower case.
    identifier_hash bytea       CONSTRAINT login_failures_pkey PRIMARY KEY,
    failed_attempts integer     NOT NULL,
    last_failed_at  timestamptz NOT NULL,
    locked_until    timestamptz,
    CONSTRAINT login_failures_failed_attempts_check CHECK (failed_attempts >= 0)
);

CREATE INDEX login_failures_last_failed_at_idx ON login_failures (last_failed_at);

CREATE TABLE totp (
    user_id       uuid        CONSTRAINT totp_pkey PRIMARY KEY,
    -- Sealed with the master key.
    secret_sealed bytea       NOT NULL,
    created_at    timestamptz NOT NULL,
    -- Absent until the person has shown a right code.
    confirmed_at  timestamptz,
    -- The newest time step whose code was accepted; none at or before it is accepted again.
    last_step     bigint      NOT NULL DEFAULT 0,
    CONSTRAINT totp_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);

CREATE TABLE recovery_codes (
    user_id   uuid  NOT NULL,
    code_hash bytea NOT NULL,
    CONSTRAINT recovery_codes_pkey PRIMARY KEY (user_id, code_hash),
    CONSTRAINT recovery_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);

-- What a mail carries to show that its reader has the mailbox. One of each purpose a person: a newer one replaces it.
CREATE TABLE one_time_tokens (
    user_id    uuid        NOT NULL,
    purpose    text        NOT NULL,
    token_hash bytea       NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT one_time_tokens_pkey PRIMARY KEY (user_id, purpose),
    CONSTRAINT one_time_tokens_token_hash_key UNIQUE (token_hash),
    CONSTRAINT one_time_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT one_time_tokens_purpose_check CHECK (purpose IN ('password_reset', 'email_verification'))
);

CREATE INDEX one_time_tokens_expires_at_idx ON one_time_tokens (expires_at);
