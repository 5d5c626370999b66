-- A change that is recorded by a tracer says where it stands in its trace (docs/adr/0017): as W3C writes it, so that the relay can put it
-- into the event of the bus, and readers' streams into the spans of their deliveries. A change that is not recorded has NULL there,
-- which costs nothing: the row has a bitmap of NULLs already.
--
-- The functions of before stay as they are for the previous release, which runs beside this one for a while.

ALTER TABLE conversation_events ADD COLUMN traceparent text;

-- As append_events_v1, with the change's place in its trace.
CREATE FUNCTION append_events_v2(
    p_conversation_id uuid,
    p_kind            smallint,
    p_actor_id        uuid,
    p_subject_ids     uuid[],
    p_sequence        bigint,
    p_version         bigint,
    p_traceparent     text,
    p_now             timestamptz
)
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    v_before   bigint;
    v_position bigint;
BEGIN
    UPDATE conversations c
    SET last_event_no = c.last_event_no + cardinality(p_subject_ids),
        last_position = GREATEST(c.last_position, k.xid_offset + pg_current_xact_id()::text::bigint)
    FROM event_clock k
    WHERE c.id = p_conversation_id AND k.id
    RETURNING c.last_event_no - cardinality(p_subject_ids), c.last_position INTO STRICT v_before, v_position;

    INSERT INTO conversation_events (conversation_id, position, event_no, created_at, actor_id, subject_id, sequence, version,
                                     kind, traceparent)
    SELECT p_conversation_id, v_position, v_before + s.n, p_now, p_actor_id, s.id, p_sequence, p_version, p_kind, p_traceparent
    FROM unnest(p_subject_ids) WITH ORDINALITY AS s (id, n);

    IF p_kind = 6 THEN
        UPDATE members mb
        SET joined_event_no = v_before + s.n, left_event_no = NULL, left_position = NULL
        FROM unnest(p_subject_ids) WITH ORDINALITY AS s (id, n)
        WHERE mb.conversation_id = p_conversation_id AND mb.user_id = s.id;
    ELSIF p_kind = 7 THEN
        UPDATE members mb
        SET left_event_no = v_before + s.n, left_position = v_position
        FROM unnest(p_subject_ids) WITH ORDINALITY AS s (id, n)
        WHERE mb.conversation_id = p_conversation_id AND mb.user_id = s.id;
    END IF;
END
$$;

-- As mark_read_v1, with the change's place in its trace.
CREATE FUNCTION mark_read_v2(
    p_message_id  uuid,
    p_reader_id   uuid,
    p_told_up_to  integer,
    p_traceparent text,
    p_now         timestamptz
)
RETURNS TABLE (r_unread bigint, r_moved boolean)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    v_conversation_id uuid;
    v_sequence        bigint;
    v_marker          bigint;
    v_member_count    integer;
BEGIN
    SELECT m.conversation_id, m.sequence, mb.last_read_sequence INTO v_conversation_id, v_sequence, v_marker
    FROM messages m
    JOIN members mb ON mb.conversation_id = m.conversation_id AND mb.user_id = p_reader_id AND mb.left_at IS NULL
    WHERE m.id = p_message_id;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    r_moved := false;
    IF v_marker < v_sequence THEN
        SELECT c.member_count INTO v_member_count
        FROM conversations c WHERE c.id = v_conversation_id AND c.deleted_at IS NULL
        FOR NO KEY UPDATE;
        -- Looked at anew: the reader may have been removed, or have read on, while the lock was waited for.
        UPDATE members mb SET last_read_sequence = v_sequence
        WHERE mb.conversation_id = v_conversation_id AND mb.user_id = p_reader_id AND mb.left_at IS NULL
          AND mb.last_read_sequence < v_sequence;
        r_moved := FOUND;
        IF r_moved THEN
            PERFORM append_events_v2(v_conversation_id, (CASE WHEN v_member_count <= p_told_up_to THEN 4 ELSE 5 END)::smallint,
                                     p_reader_id, ARRAY[p_reader_id], v_sequence, NULL, p_traceparent, p_now);
        END IF;
    END IF;
    -- Everything that is counted comes from one snapshot.
    RETURN QUERY
    SELECT u.unread, r_moved
    FROM members mb
    JOIN conversations c ON c.id = mb.conversation_id AND c.deleted_at IS NULL
    CROSS JOIN LATERAL unread_v1(c.id, mb.user_id, c.last_sequence, mb.last_read_sequence) u
    WHERE mb.conversation_id = v_conversation_id AND mb.user_id = p_reader_id AND mb.left_at IS NULL;
END
$$;

-- As send_messages_v2, with each message's place in its trace.
CREATE FUNCTION send_messages_v3(
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
    -- NULL where none of the messages is recorded.
    p_traceparents        text[],
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
        INSERT INTO conversation_events (conversation_id, position, event_no, created_at, actor_id, sequence, version, kind,
                                         traceparent)
        SELECT nm.conversation_id, GREATEST(nm.last_position, v_position),
               nm.last_event_no + nm.sequence - nm.last_sequence, p_now, nm.sender_id, nm.sequence, 1, 1,
               p_traceparents[nm.n]
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
