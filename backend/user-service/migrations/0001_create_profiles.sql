-- Trigrams carry the search by name; the only extension that Nova needs.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- One row an account, also after its deletion (soft), so that an id can never come back to life.
-- The auth service owns names: it keeps them unique and never gives one away again, not even a deleted account's. A unique
-- index here would decide nothing, and ids that are remembered as deleted before they were known have no name at all.
CREATE TABLE profiles (
    user_id      uuid        NOT NULL,
    username     text        NOT NULL,
    display_name text        NOT NULL,
    -- What search looks at: the names in lower case. The display name's is made by the application, because what lower()
    -- does beyond ASCII depends on the database's locale.
    username_key text        NOT NULL GENERATED ALWAYS AS (lower(username)) STORED,
    display_key  text        NOT NULL,
    bio          text        NOT NULL DEFAULT '',
    avatar_url   text        NOT NULL DEFAULT '',
    cover_url    text        NOT NULL DEFAULT '',
    website      text        NOT NULL DEFAULT '',
    location     text        NOT NULL DEFAULT '',
    verified     boolean     NOT NULL DEFAULT false,
    private      boolean     NOT NULL DEFAULT false,
    -- Made because it was asked for before the auth service had announced it, so that the name to show, which only the
    -- announcement knows, is still to come. Ends with the announcement, or when the owner sets a name.
    name_is_due  boolean     NOT NULL DEFAULT false,
    version      bigint      NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    deleted_at   timestamptz,
    CONSTRAINT profiles_pkey PRIMARY KEY (user_id),
    CONSTRAINT profiles_version_check CHECK (version >= 1)
);

-- Substrings and similarity.
CREATE INDEX profiles_names_trgm_idx ON profiles USING gin (username_key gin_trgm_ops, display_key gin_trgm_ops)
    WHERE deleted_at IS NULL;
-- The exact name, and beginnings too short for trigrams, of which only the first are looked at: display names are shared, so
-- the id makes their order total.
CREATE INDEX profiles_username_key_idx ON profiles (username_key text_pattern_ops) WHERE deleted_at IS NULL;
CREATE INDEX profiles_display_key_idx ON profiles (display_key text_pattern_ops, user_id) WHERE deleted_at IS NULL;
