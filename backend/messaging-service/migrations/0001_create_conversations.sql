-- Conversations, who is in them, and how a client's retry finds what its first try made.
--
-- Every key begins with the column that a sharded PostgreSQL would distribute by. There are no foreign keys: each row is
-- written under the lock of its conversation's row, which has just been read there, and a check on every insert would
-- only cost. What is counted in these rows is proved and repaired by `nova admin reconcile`.

CREATE TABLE conversations (
    id               uuid        NOT NULL,
    -- 1 direct, 2 group
    kind             smallint    NOT NULL,
    -- Messages ever sent: the sequence of the newest.
    last_sequence    bigint      NOT NULL,
    -- Messages that are not deleted.
    live_count       bigint      NOT NULL,
    -- Members who have not left.
    member_count     integer     NOT NULL,
    version          bigint      NOT NULL,
    last_activity_at timestamptz NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    deleted_at       timestamptz,
    created_by       uuid        NOT NULL,
    name             text        NOT NULL,
    CONSTRAINT conversations_pkey PRIMARY KEY (id),
    CONSTRAINT conversations_kind_check CHECK (kind IN (1, 2)),
    CONSTRAINT conversations_counts_check CHECK (live_count BETWEEN 0 AND last_sequence AND member_count >= 0)
)
-- Every send updates the row, and no indexed column: half-empty pages keep that a heap-only update.
WITH (fillfactor = 50);

-- The same two people always get the same direct conversation: the key decides who was first.
CREATE TABLE direct_pairs (
    low_id          uuid NOT NULL,
    high_id         uuid NOT NULL,
    conversation_id uuid NOT NULL,
    CONSTRAINT direct_pairs_pkey PRIMARY KEY (low_id, high_id),
    CONSTRAINT direct_pairs_order_check CHECK (low_id < high_id)
);
-- A conversation's two people, who never change.
CREATE INDEX direct_pairs_conversation_id_idx ON direct_pairs (conversation_id) INCLUDE (low_id, high_id);

CREATE TABLE members (
    conversation_id    uuid        NOT NULL,
    user_id            uuid        NOT NULL,
    last_read_sequence bigint      NOT NULL,
    joined_at          timestamptz NOT NULL,
    left_at            timestamptz,
    -- 1 owner, 2 administrator, 3 member
    role               smallint    NOT NULL,
    CONSTRAINT members_pkey PRIMARY KEY (conversation_id, user_id),
    CONSTRAINT members_role_check CHECK (role IN (1, 2, 3)),
    CONSTRAINT members_marker_check CHECK (last_read_sequence >= 0)
)
WITH (fillfactor = 80);
-- Somebody's conversations.
CREATE INDEX members_user_id_idx ON members (user_id, conversation_id) WHERE left_at IS NULL;
-- A group has one owner.
CREATE UNIQUE INDEX members_owner_key ON members (conversation_id) WHERE role = 1 AND left_at IS NULL;

-- What CreateConversation with a client id has answered, so that a retry gets the same. Kept as long as the conversation:
-- a direct one can be the answer to requests of both its people.
CREATE TABLE creation_requests (
    creator_id      uuid        NOT NULL,
    client_id       text        NOT NULL COLLATE "C",
    conversation_id uuid        NOT NULL,
    request_hash    bytea       NOT NULL,
    created_at      timestamptz NOT NULL,
    CONSTRAINT creation_requests_pkey PRIMARY KEY (creator_id, client_id)
);
