-- Messages. A conversation's are numbered 1, 2, 3 … under the lock of its row, so that a rollback leaves no gap and the
-- order of the numbers is the order of the commits.

CREATE TABLE messages (
    conversation_id    uuid        NOT NULL,
    sequence           bigint      NOT NULL,
    id                 uuid        NOT NULL,
    sender_id          uuid        NOT NULL,
    -- The n-th message of this sender in this conversation: the difference of two of them counts a sender's messages
    -- between two points without reading those in between.
    sender_ordinal     bigint      NOT NULL,
    version            bigint      NOT NULL,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    deleted_at         timestamptz,
    -- Set with ciphertext and nonce: content that the clients have encrypted.
    encryption_version integer,
    content            text,
    ciphertext         bytea,
    nonce              bytea,
    client_message_id  text        COLLATE "C",
    -- Of the content as it was sent first, salted by the message's key; edits keep it, a deletion wipes it with the content.
    content_hash       bytea,
    CONSTRAINT messages_pkey PRIMARY KEY (conversation_id, sequence),
    CONSTRAINT messages_sequence_check CHECK (sequence >= 1 AND sender_ordinal >= 1),
    CONSTRAINT messages_content_check CHECK (
        CASE
            WHEN deleted_at IS NOT NULL THEN num_nonnulls(content, ciphertext, nonce, encryption_version, content_hash) = 0
            WHEN ciphertext IS NOT NULL THEN content IS NULL AND num_nonnulls(nonce, encryption_version) = 2
            ELSE content IS NOT NULL AND num_nonnulls(nonce, encryption_version) = 0
        END
    )
);
-- By id alone, as clients name them. Not unique: a sharded table could not promise it, and version 7 UUIDs do not repeat.
CREATE INDEX messages_id_idx ON messages (id);
-- One message a client id, for as long as the message exists.
CREATE UNIQUE INDEX messages_client_message_id_key ON messages (conversation_id, sender_id, client_message_id)
    WHERE client_message_id IS NOT NULL;
-- A sender's newest message at or before a sequence, answered from the index.
CREATE INDEX messages_sender_id_idx ON messages (conversation_id, sender_id, sequence) INCLUDE (sender_ordinal);
-- Deleted messages after a marker, answered from the index.
CREATE INDEX messages_deleted_idx ON messages (conversation_id, sequence) INCLUDE (sender_id) WHERE deleted_at IS NOT NULL;

-- What a reader has not read: live messages after the marker that others sent. The one definition for every RPC.
-- own messages after the marker = the newest's ordinal − the ordinal at the marker; deleted ones of one's own are among
-- them, so only others' deleted ones are taken off beside. A single SELECT that PostgreSQL inlines into the caller's plan.
CREATE FUNCTION unread_v1(p_conversation_id uuid, p_user_id uuid, p_last_sequence bigint, p_marker bigint)
RETURNS TABLE (unread bigint)
LANGUAGE sql STABLE ROWS 1
AS $$
    SELECT CASE WHEN p_marker >= p_last_sequence THEN 0 ELSE
        p_last_sequence - p_marker
        - COALESCE((
            SELECT m.sender_ordinal FROM messages m
            WHERE m.conversation_id = p_conversation_id AND m.sender_id = p_user_id
            ORDER BY m.sequence DESC LIMIT 1), 0)
        + COALESCE((
            SELECT m.sender_ordinal FROM messages m
            WHERE m.conversation_id = p_conversation_id AND m.sender_id = p_user_id AND m.sequence <= p_marker
            ORDER BY m.sequence DESC LIMIT 1), 0)
        - (
            SELECT count(*) FROM messages m
            WHERE m.conversation_id = p_conversation_id AND m.sequence > p_marker
              AND m.deleted_at IS NOT NULL AND m.sender_id <> p_user_id)
    END
$$;
