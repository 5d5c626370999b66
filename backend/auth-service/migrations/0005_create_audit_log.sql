-- What happened to accounts, log-ins, roles and keys: who did it, to whom, when, from where. Rows are added and never
-- changed; each carries a MAC over itself and the row before it, made with a key that does not lie open in the database, so
-- that a change by hand can be shown (`nova admin verify-audit`).

-- One row: what the MACs are made with, sealed with the master key. Random rather than derived from that, so that another
-- master key does not make the rows written so far unverifiable.
CREATE TABLE audit_key (
    id         smallint    CONSTRAINT audit_key_pkey PRIMARY KEY,
    key_sealed bytea       NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT audit_key_id_check CHECK (id = 1)
);

-- Where each chain of rows ends and begins. A writer locks the end of one chain until it commits, so several chains let
-- several commit at once.
CREATE TABLE audit_chains (
    chain      smallint CONSTRAINT audit_chains_pkey PRIMARY KEY,
    -- The newest row's number in the chain, from 1 without a gap, and its MAC.
    seq        bigint   NOT NULL DEFAULT 0,
    mac        bytea    NOT NULL,
    -- The newest row that went because its time was over, its MAC, and a MAC over both that only the service can make.
    floor_seq  bigint   NOT NULL DEFAULT 0,
    floor_mac  bytea    NOT NULL,
    floor_seal bytea,
    CONSTRAINT audit_chains_chain_check CHECK (chain BETWEEN 0 AND 7),
    CONSTRAINT audit_chains_floor_check CHECK (floor_seq BETWEEN 0 AND seq),
    CONSTRAINT audit_chains_floor_seal_check CHECK ((floor_seq = 0) = (floor_seal IS NULL))
);

INSERT INTO audit_chains (chain, mac, floor_mac)
SELECT chain, '\x0000000000000000000000000000000000000000000000000000000000000000',
              '\x0000000000000000000000000000000000000000000000000000000000000000'
FROM generate_series(0, 7) AS chain;

-- No foreign keys: a row says what was, whatever becomes of the account.
CREATE TABLE audit_log (
    id         uuid        CONSTRAINT audit_log_pkey PRIMARY KEY,
    chain      smallint    NOT NULL,
    seq        bigint      NOT NULL,
    at         timestamptz NOT NULL,
    kind       text        NOT NULL,
    outcome    text        NOT NULL,
    -- Who did it: a user's id, a service's client id, or nothing.
    actor_type text        NOT NULL,
    actor      text        NOT NULL,
    -- Whom it concerns.
    user_id    uuid,
    session_id uuid,
    address    inet,
    user_agent text        NOT NULL,
    request_id text        NOT NULL,
    -- Texts by name; no secret, no e-mail, nothing that somebody typed.
    details    jsonb       NOT NULL,
    mac        bytea       NOT NULL,
    CONSTRAINT audit_log_chain_key UNIQUE (chain, seq),
    CONSTRAINT audit_log_outcome_check CHECK (outcome IN ('SUCCESS', 'FAILURE')),
    CONSTRAINT audit_log_actor_type_check CHECK (actor_type IN ('ANONYMOUS', 'USER', 'SERVICE', 'OPERATOR')),
    CONSTRAINT audit_log_user_agent_check CHECK (length(user_agent) <= 256),
    CONSTRAINT audit_log_details_check CHECK (jsonb_typeof(details) = 'object' AND length(details::text) <= 2048)
);

-- Ids are in the order of time, so each of these gives a page newest first.
CREATE INDEX audit_log_user_id_idx ON audit_log (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX audit_log_actor_idx ON audit_log (actor, id) WHERE actor <> '';
CREATE INDEX audit_log_kind_idx ON audit_log (kind, id);

-- A row may go only once the floor of its chain is past it. Anybody who can write to the table can move the floor, but not
-- make the seal that goes with it.
CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.seq <= (SELECT floor_seq FROM audit_chains WHERE chain = OLD.chain) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'audit_log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();

-- The ends of a chain move forward only.
CREATE FUNCTION audit_chains_move_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.chain = OLD.chain AND NEW.seq >= OLD.seq AND NEW.floor_seq >= OLD.floor_seq THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit_chains moves forward only' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER audit_chains_forward BEFORE UPDATE OR DELETE ON audit_chains
    FOR EACH ROW EXECUTE FUNCTION audit_chains_move_forward();
CREATE TRIGGER audit_chains_no_truncate BEFORE TRUNCATE ON audit_chains
    FOR EACH STATEMENT EXECUTE FUNCTION audit_chains_move_forward();

-- Not even for who replays changes (session_replication_role).
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only;
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_no_truncate;
ALTER TABLE audit_chains ENABLE ALWAYS TRIGGER audit_chains_forward;
ALTER TABLE audit_chains ENABLE ALWAYS TRIGGER audit_chains_no_truncate;
