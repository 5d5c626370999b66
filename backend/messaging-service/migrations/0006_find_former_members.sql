-- Somebody's conversations of the past: what is held on a person is asked for whole.
CREATE INDEX members_former_user_id_idx ON members (user_id, conversation_id) WHERE left_at IS NOT NULL;
