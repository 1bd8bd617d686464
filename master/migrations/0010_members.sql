-- Who may do what in which organization, who is invited, and how often signing in failed.

CREATE TABLE member (
  org_id text NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES app_user (id) ON DELETE CASCADE,
  role text NOT NULL CHECK (role IN ('viewer', 'editor', 'admin', 'owner')),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, user_id)
);
CREATE INDEX member_user ON member (user_id);

-- The token is in the address that was answered and nowhere here; an invitation goes once it is accepted.
CREATE TABLE invitation (
  id uuid PRIMARY KEY,
  org_id text NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
  email text NOT NULL,
  role text NOT NULL CHECK (role IN ('viewer', 'editor', 'admin', 'owner')),
  token_hash bytea NOT NULL UNIQUE,
  invited_by uuid REFERENCES app_user (id) ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX invitation_email ON invitation (org_id, lower(email));

-- Failed sign-ins by hashed account or address: shared, because each master would otherwise allow the limit anew.
CREATE TABLE sign_in_limit (
  subject bytea PRIMARY KEY,
  failed_at timestamptz[] NOT NULL DEFAULT '{}',
  blocks integer NOT NULL DEFAULT 0,
  blocked_until timestamptz,
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sign_in_limit_updated ON sign_in_limit (updated_at);
CREATE INDEX refresh_token_expires ON refresh_token (expires_at);
