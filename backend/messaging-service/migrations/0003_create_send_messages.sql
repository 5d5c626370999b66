-- The write path: a whole batch of messages, of many senders to many conversations, in one round trip and one commit.
-- Element n of every array belongs to message n; there is one answer for each. Outcomes:
--   0 stored now · 1 stored before, or earlier in this batch, under the same client id with the same content
--   2 the client id was used with other content · 3 no such conversation, or the sender is no member
--   4 the locks were had too late for it, nothing is stored
-- The version is part of the name, so that the next release can bring another one and run beside this.
--
-- First the conversations' rows are locked, always in the order of their ids: batches never wait in a circle. The second
-- statement has a snapshot of its own, taken when the locks are held: what others committed while we waited is seen, so
-- last_sequence, membership and repeats are read as they are.
--
-- A direct message goes out on the word that its sender may write, and that word has an age. How long it may still be acted
-- on (p_valid_ms, NULL = for ever) is counted from the statement's arrival on the server's own clock until the locks are
-- held, so that a long wait for a lock does not let anybody write across a block; the clocks of the two need not agree.
--
-- The settings pin the plan to index look-ups: plans are kept for the life of a connection, and one made while a table was
-- small would read it from end to end when it has grown.
CREATE FUNCTION send_messages_v1(
    p_conversation_ids    uuid[],
    p_sender_ids          uuid[],
    p_message_ids         uuid[],
    p_client_message_ids  text[],
    p_contents            text[],
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
BEGIN
    PERFORM FROM conversations c
    WHERE c.id = ANY (p_conversation_ids) AND c.deleted_at IS NULL
    ORDER BY c.id
    FOR NO KEY UPDATE;
    v_waited_ms := extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000;

    RETURN QUERY
    WITH checked AS (
        SELECT i.*, c.last_sequence,
               c.id IS NOT NULL AS may_send,
               k.sequence AS k_sequence, k.id AS k_id, k.version AS k_version, k.created_at AS k_created_at,
               k.updated_at AS k_updated_at, k.deleted_at AS k_deleted_at, k.encryption_version AS k_encryption_version,
               k.content AS k_content, k.ciphertext AS k_ciphertext, k.nonce AS k_nonce, k.content_hash AS k_hash,
               -- The batch's first with this client id stands for all of them.
               CASE WHEN i.client_id IS NULL THEN i.n
                    ELSE min(i.n) OVER (PARTITION BY i.conversation_id, i.sender_id, i.client_id) END AS first_n
        FROM unnest(p_conversation_ids, p_sender_ids, p_message_ids, p_client_message_ids, p_contents, p_ciphertexts,
                    p_nonces, p_encryption_versions, p_content_hashes)
             WITH ORDINALITY AS i (conversation_id, sender_id, id, client_id, content, ciphertext, nonce,
                                   encryption_version, hash, n)
        LEFT JOIN LATERAL (
            SELECT c.id, c.last_sequence
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
                              encryption_version, content, ciphertext, nonce, client_message_id, content_hash)
        SELECT nm.conversation_id, nm.sequence, nm.id, nm.sender_id,
               nm.nth_of_sender + COALESCE((
                   SELECT m.sender_ordinal FROM messages m
                   WHERE m.conversation_id = nm.conversation_id AND m.sender_id = nm.sender_id
                   ORDER BY m.sequence DESC LIMIT 1), 0),
               1, p_now, p_now, nm.encryption_version, nm.content, nm.ciphertext, nm.nonce, nm.client_id, nm.hash
        FROM numbered nm
        WHERE nm.is_new
        ORDER BY nm.n
    ),
    counted AS (
        UPDATE conversations c
        SET last_sequence = a.last_sequence, live_count = c.live_count + a.added, last_activity_at = p_now
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
           nm.k_content, nm.k_ciphertext, nm.k_nonce
    FROM numbered nm;
END
$$;
