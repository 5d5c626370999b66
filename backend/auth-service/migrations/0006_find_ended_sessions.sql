-- A person's sessions that have ended and are still kept: what is held on a person is asked for whole.
CREATE INDEX sessions_ended_user_id_idx ON sessions (user_id, id) WHERE revoked_at IS NOT NULL;
