-- One row a restore, where before there was the last one alone: events between two restores that have not been on the bus yet when
-- the second is done get the ids that they would have had. The ids of events of a position above `after_position`, up to that of the
-- next row, are made of `log_id` as well; below the first, of neither.

CREATE TABLE restores (
    after_position bigint  NOT NULL,
    log_id         integer NOT NULL,
    CONSTRAINT restores_pkey PRIMARY KEY (after_position)
);

INSERT INTO restores (after_position, log_id) SELECT own_ids_after, log_id FROM event_clock WHERE own_ids_after IS NOT NULL;

ALTER TABLE event_clock DROP COLUMN own_ids_after;
