-- Follows and requests to follow. `created_at` is when the present status began: an accepted request counts from its acceptance.
CREATE TABLE follows (
    follower_id uuid        NOT NULL,
    followee_id uuid        NOT NULL,
    status      text        NOT NULL,
    created_at  timestamptz NOT NULL,
    CONSTRAINT follows_pkey PRIMARY KEY (follower_id, followee_id),
    CONSTRAINT follows_status_check CHECK (status IN ('active', 'pending')),
    CONSTRAINT follows_self_check CHECK (follower_id <> followee_id)
);
-- Both directions of both lists, newest first; the id makes the order total.
CREATE INDEX follows_followee_idx ON follows (followee_id, status, created_at DESC, follower_id DESC);
CREATE INDEX follows_follower_idx ON follows (follower_id, status, created_at DESC, followee_id DESC);

-- A table of its own: a block never overwrites a follow, and outlives it.
CREATE TABLE blocks (
    blocker_id uuid        NOT NULL,
    blocked_id uuid        NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT blocks_pkey PRIMARY KEY (blocker_id, blocked_id),
    CONSTRAINT blocks_self_check CHECK (blocker_id <> blocked_id)
);
-- The list of whom a user has blocked, and by whom a user is blocked (lists and search hide both).
CREATE INDEX blocks_blocker_idx ON blocks (blocker_id, created_at DESC, blocked_id DESC);
CREATE INDEX blocks_blocked_idx ON blocks (blocked_id, blocker_id);

-- How many active follows a user has either way, in 8 parts: the last three bits of the *other* user's id choose the part, so
-- that many new followers of one user do not wait for one row, and so that each part can be counted anew from the rows.
-- Changed in the transaction that changes the rows: every commit leaves counts and rows equal. No check against negative
-- counts: if a hand at the database ever makes them drift, unfollowing must still work until `nova admin reconcile` has run.
CREATE TABLE follow_counts (
    user_id   uuid     NOT NULL,
    shard     smallint NOT NULL,
    followers bigint   NOT NULL,
    following bigint   NOT NULL,
    CONSTRAINT follow_counts_pkey PRIMARY KEY (user_id, shard),
    CONSTRAINT follow_counts_shard_check CHECK (shard BETWEEN 0 AND 7)
) WITH (fillfactor = 70);
