-- Contents lie sealed (AES-256-GCM) under a key of their sender and their conversation; both keys lie here, wrapped by the
-- database's root key, and that by a master key from outside (docs/adr/0012). A person's key that is destroyed makes all that
-- they ever wrote unreadable, wherever it has been copied to.

CREATE TABLE root_keys (
    id         smallint    NOT NULL,
    wrapped    bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    wrapped_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT root_keys_pkey PRIMARY KEY (id),
    CONSTRAINT root_keys_one_row_check CHECK (id = 1)
);

CREATE TABLE user_keys (
    user_id      uuid        NOT NULL,
    -- NULL once it has been destroyed. The row stays, so that no other key takes its place.
    wrapped      bytea,
    created_at   timestamptz NOT NULL,
    destroyed_at timestamptz,
    CONSTRAINT user_keys_pkey PRIMARY KEY (user_id),
    CONSTRAINT user_keys_destroyed_check CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);

CREATE TABLE conversation_keys (
    conversation_id uuid        NOT NULL,
    wrapped         bytea       NOT NULL,
    created_at      timestamptz NOT NULL,
    CONSTRAINT conversation_keys_pkey PRIMARY KEY (conversation_id)
);

-- `content` is what a release before this one wrote; it is sealed while the service runs, and nothing writes it any more.
ALTER TABLE messages
    ADD COLUMN sealed bytea,
    DROP CONSTRAINT messages_content_check,
    ADD CONSTRAINT messages_content_check CHECK (
        CASE
            WHEN deleted_at IS NOT NULL
                THEN num_nonnulls(content, sealed, ciphertext, nonce, encryption_version, content_hash) = 0
            WHEN ciphertext IS NOT NULL
                THEN num_nonnulls(content, sealed) = 0 AND num_nonnulls(nonce, encryption_version) = 2
            ELSE num_nonnulls(content, sealed) = 1 AND num_nonnulls(nonce, encryption_version) = 0
        END
    );
-- What is left to be sealed.
CREATE INDEX messages_unsealed_idx ON messages (conversation_id, sequence) WHERE content IS NOT NULL;

-- The write path as send_messages_v1 was, for sealed contents.
CREATE FUNCTION send_messages_v2(
    p_conversation_ids    uuid[],
    p_sender_ids          uuid[],
    p_message_ids         uuid[],
    p_client_message_ids  text[],
    p_sealeds             bytea[],
    p_ciphertexts         bytea[],
    p_nonces              bytea[],
    p_encryption_versions integer[],
    p_content_hashes      bytea[],
    p_valid_ms            integer[],
    p_now                 timestamptz
)
RETURNS TABLE (
    r_index              bigint,
    r_outcome            smallint,
    r_id                 uuid,
    r_sequence           bigint,
    -- The rest is set only where a message stored before is the answer.
    r_version            bigint,
    r_created_at         timestamptz,
    r_updated_at         timestamptz,
    r_deleted_at         timestamptz,
    r_encryption_version integer,
    r_content            text,
    r_sealed             bytea,
    r_ciphertext         bytea,
    r_nonce              bytea
)
LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_mergejoin = off
SET enable_hashjoin = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_waited_ms double precision;
    v_position  bigint;
BEGIN
    PERFORM FROM conversations c
    WHERE c.id = ANY (p_conversation_ids) AND c.deleted_at IS NULL
    ORDER BY c.id
    FOR NO KEY UPDATE;
    v_waited_ms := extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000;
    SELECT k.xid_offset + pg_current_xact_id()::text::bigint INTO STRICT v_position FROM event_clock k WHERE k.id;

    RETURN QUERY
    WITH checked AS (
        SELECT i.*, c.last_sequence, c.last_event_no, c.last_position,
               c.id IS NOT NULL AS may_send,
               k.sequence AS k_sequence, k.id AS k_id, k.version AS k_version, k.created_at AS k_created_at,
               k.updated_at AS k_updated_at, k.deleted_at AS k_deleted_at, k.encryption_version AS k_encryption_version,
               k.content AS k_content, k.sealed AS k_sealed, k.ciphertext AS k_ciphertext, k.nonce AS k_nonce, k.content_hash AS k_hash,
               -- The batch's first with this client id stands for all of them.
               CASE WHEN i.client_id IS NULL THEN i.n
                    ELSE min(i.n) OVER (PARTITION BY i.conversation_id, i.sender_id, i.client_id) END AS first_n
        FROM unnest(p_conversation_ids, p_sender_ids, p_message_ids, p_client_message_ids, p_sealeds, p_ciphertexts,
                    p_nonces, p_encryption_versions, p_content_hashes)
             WITH ORDINALITY AS i (conversation_id, sender_id, id, client_id, sealed, ciphertext, nonce,
                                   encryption_version, hash, n)
        LEFT JOIN LATERAL (
            SELECT c.id, c.last_sequence, c.last_event_no, c.last_position
            FROM conversations c
            JOIN members mb ON mb.conversation_id = c.id AND mb.user_id = i.sender_id AND mb.left_at IS NULL
            WHERE c.id = i.conversation_id AND c.deleted_at IS NULL
            LIMIT 1) c ON true
        LEFT JOIN LATERAL (
            SELECT m.*
            FROM messages m
            WHERE m.conversation_id = c.id AND m.sender_id = i.sender_id AND m.client_message_id = i.client_id
            LIMIT 1) k ON true
    ),
    numbered AS MATERIALIZED (
        SELECT f.*,
               f.last_sequence + count(*) FILTER (WHERE f.is_new)
                   OVER (PARTITION BY f.conversation_id ORDER BY f.n) AS sequence,
               count(*) FILTER (WHERE f.is_new)
                   OVER (PARTITION BY f.conversation_id, f.sender_id ORDER BY f.n) AS nth_of_sender
        FROM (SELECT ch.*, ch.may_send AND ch.k_id IS NULL AND ch.n = ch.first_n AND NOT ch.is_late AS is_new
              FROM (SELECT ch.*, COALESCE(p_valid_ms[ch.first_n] < v_waited_ms, false) AS is_late FROM checked ch) ch) f
    ),
    inserted AS (
        INSERT INTO messages (conversation_id, sequence, id, sender_id, sender_ordinal, version, created_at, updated_at,
                              encryption_version, sealed, ciphertext, nonce, client_message_id, content_hash)
        SELECT nm.conversation_id, nm.sequence, nm.id, nm.sender_id,
               nm.nth_of_sender + COALESCE((
                   SELECT m.sender_ordinal FROM messages m
                   WHERE m.conversation_id = nm.conversation_id AND m.sender_id = nm.sender_id
                   ORDER BY m.sequence DESC LIMIT 1), 0),
               1, p_now, p_now, nm.encryption_version, nm.sealed, nm.ciphertext, nm.nonce, nm.client_id, nm.hash
        FROM numbered nm
        WHERE nm.is_new
        ORDER BY nm.n
    ),
    logged AS (
        INSERT INTO conversation_events (conversation_id, position, event_no, created_at, actor_id, sequence, version, kind)
        SELECT nm.conversation_id, GREATEST(nm.last_position, v_position),
               nm.last_event_no + nm.sequence - nm.last_sequence, p_now, nm.sender_id, nm.sequence, 1, 1
        FROM numbered nm
        WHERE nm.is_new
        ORDER BY nm.n
    ),
    counted AS (
        UPDATE conversations c
        SET last_sequence = a.last_sequence, live_count = c.live_count + a.added, last_activity_at = p_now,
            last_event_no = c.last_event_no + a.added, last_position = GREATEST(c.last_position, v_position)
        FROM (SELECT nm.conversation_id, max(nm.sequence) AS last_sequence, count(*) AS added
              FROM numbered nm WHERE nm.is_new GROUP BY nm.conversation_id) a
        WHERE c.id = a.conversation_id
    )
    SELECT nm.n,
           (CASE
                WHEN NOT nm.may_send THEN 3
                WHEN nm.is_new THEN 0
                WHEN nm.k_id IS NOT NULL THEN CASE WHEN COALESCE(nm.k_hash = nm.hash, true) THEN 1 ELSE 2 END
                WHEN nm.is_late THEN 4
                WHEN p_content_hashes[nm.first_n] = nm.hash THEN 1
                ELSE 2
            END)::smallint,
           COALESCE(nm.k_id, p_message_ids[nm.first_n]),
           COALESCE(nm.k_sequence,
                    max(nm.sequence) FILTER (WHERE nm.is_new)
                        OVER (PARTITION BY nm.conversation_id, nm.sender_id, nm.first_n)),
           nm.k_version, nm.k_created_at, nm.k_updated_at, nm.k_deleted_at, nm.k_encryption_version,
           nm.k_content, nm.k_sealed, nm.k_ciphertext, nm.k_nonce
    FROM numbered nm;
END
$$;
