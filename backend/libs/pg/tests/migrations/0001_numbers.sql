CREATE TABLE numbers (n integer CONSTRAINT numbers_pkey PRIMARY KEY);
