-- Who has seen organization keys, and which generations.
CREATE TABLE key_view (
  org_id text NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
  viewed_at timestamptz NOT NULL DEFAULT now(),
  actor text NOT NULL,
  generations integer[] NOT NULL
);
CREATE INDEX key_view_recent ON key_view (org_id, viewed_at DESC);

-- Tokens for machines, hashed: whoever reads the database cannot use them.
CREATE TABLE api_token (
  id uuid PRIMARY KEY,
  org_id text NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
  name text NOT NULL,
  role text NOT NULL CHECK (role IN ('viewer', 'editor', 'admin', 'owner')),
  token_hash bytea NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text NOT NULL,
  expires_at timestamptz,
  last_used_at timestamptz
);
CREATE INDEX api_token_organization ON api_token (org_id, id DESC);

-- Sealed under a key that comes from SYNC_SECRET_SALT. sealed null: deleted; the row stays, so that a name that returns does not count its versions anew.
CREATE TABLE secret (
  org_id text NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
  name text NOT NULL CHECK (name ~ '^[A-Za-z_][A-Za-z0-9_]{0,63}$'),
  version integer NOT NULL CHECK (version >= 1),
  sealed bytea,
  updated_at timestamptz NOT NULL DEFAULT now(),
  updated_by text NOT NULL,
  PRIMARY KEY (org_id, name)
);
