-- A row exists once a user has changed a setting; before that the defaults hold, as version 1. The first change makes 2.
CREATE TABLE settings (
    user_id             uuid        NOT NULL,
    email_notifications boolean     NOT NULL,
    push_notifications  boolean     NOT NULL,
    marketing_emails    boolean     NOT NULL,
    timezone            text        NOT NULL,
    language            text        NOT NULL,
    dark_mode           boolean     NOT NULL,
    privacy_level       text        NOT NULL,
    allow_messages      text        NOT NULL,
    version             bigint      NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    CONSTRAINT settings_pkey PRIMARY KEY (user_id),
    CONSTRAINT settings_privacy_level_check CHECK (privacy_level IN ('public', 'followers', 'private')),
    CONSTRAINT settings_allow_messages_check CHECK (allow_messages IN ('everyone', 'following', 'nobody')),
    CONSTRAINT settings_version_check CHECK (version >= 2)
);
