-- Whose keys these are: a name that is given once, and that a restore, another master key and an upgrade leave as it is. Copies of keys
-- bear it, so that a backup replaces those of its own installation alone, and a restore takes no other's (docs/adr/0018).

CREATE TABLE installation (
    only_one boolean NOT NULL DEFAULT true,
    id       uuid    NOT NULL,
    CONSTRAINT installation_pkey PRIMARY KEY (only_one),
    CONSTRAINT installation_only_one_check CHECK (only_one)
);

INSERT INTO installation (id) VALUES (gen_random_uuid());
