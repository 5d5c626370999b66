-- Who may do what. Everybody has the role "user" without a row in user_roles.

CREATE TABLE roles (
    name        text CONSTRAINT roles_pkey PRIMARY KEY,
    description text NOT NULL
);

CREATE TABLE role_permissions (
    role       text NOT NULL,
    permission text NOT NULL,
    CONSTRAINT role_permissions_pkey PRIMARY KEY (role, permission),
    CONSTRAINT role_permissions_role_fkey FOREIGN KEY (role) REFERENCES roles (name),
    CONSTRAINT role_permissions_permission_check CHECK (permission ~ '^[a-z0-9_:.-]{1,64}$')
);

CREATE TABLE user_roles (
    user_id    uuid        NOT NULL,
    role       text        NOT NULL,
    granted_at timestamptz NOT NULL,
    CONSTRAINT user_roles_pkey PRIMARY KEY (user_id, role),
    CONSTRAINT user_roles_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT user_roles_role_fkey FOREIGN KEY (role) REFERENCES roles (name),
    CONSTRAINT user_roles_role_check CHECK (role <> 'user')
);

CREATE INDEX user_roles_role_idx ON user_roles (role, user_id);

INSERT INTO roles (name, description) VALUES
    ('user', 'everybody with an account'),
    ('moderator', 'looks after what people publish'),
    ('admin', 'runs the installation');

INSERT INTO role_permissions (role, permission) VALUES
    ('user', 'account:read'),
    ('user', 'account:update'),
    ('user', 'conversation:create'),
    ('user', 'message:read'),
    ('user', 'message:send'),
    ('user', 'profile:read'),
    ('user', 'profile:update'),
    ('user', 'relationship:update'),
    ('moderator', 'message:moderate'),
    ('moderator', 'profile:moderate'),
    ('admin', 'account:manage'),
    ('admin', 'message:moderate'),
    ('admin', 'profile:moderate'),
    ('admin', 'role:manage'),
    ('admin', 'session:manage');
