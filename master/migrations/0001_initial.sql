-- Truth of VoiceOI: organizations, their configuration with its change log, people, and what calls did.

CREATE TABLE instance (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  epoch text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE organization (
  id text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
  name text NOT NULL,
  settings jsonb NOT NULL DEFAULT '{}',
  revision bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- Keys are derived, never stored: a row says that a generation exists and how long it is good.
CREATE TABLE organization_key (
  org_id text NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
  generation integer NOT NULL CHECK (generation >= 1),
  created_at timestamptz NOT NULL DEFAULT now(),
  not_after timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  PRIMARY KEY (org_id, generation)
);

CREATE TABLE script (
  org_id text NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
  id text NOT NULL CHECK (id ~ '^[A-Za-z0-9_-]{1,32}$'),
  name text NOT NULL,
  draft jsonb,
  latest_version integer NOT NULL DEFAULT 0,
  row_version bigint NOT NULL DEFAULT 1,
  draft_version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id)
);

-- Immutable: a rollback makes a new version with the old content.
CREATE TABLE script_version (
  org_id text NOT NULL,
  script_id text NOT NULL,
  version integer NOT NULL CHECK (version >= 1),
  document jsonb NOT NULL,
  sha256 text NOT NULL,
  note text NOT NULL DEFAULT '',
  published_at timestamptz NOT NULL DEFAULT now(),
  published_by text NOT NULL,
  PRIMARY KEY (org_id, script_id, version),
  FOREIGN KEY (org_id, script_id) REFERENCES script (org_id, id) ON DELETE CASCADE
);

-- version null: the latest one.
CREATE TABLE campaign (
  org_id text NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
  id text NOT NULL CHECK (id ~ '^[A-Za-z0-9_-]{1,32}$'),
  name text NOT NULL,
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused')),
  script_id text NOT NULL,
  version integer,
  variables jsonb NOT NULL DEFAULT '{}',
  lead_variables jsonb NOT NULL DEFAULT '[]',
  canary jsonb,
  row_version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, script_id) REFERENCES script (org_id, id)
);

-- One committed transaction is one revision is one row: the outbox of the sync.
CREATE TABLE change_log (
  org_id text NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
  revision bigint NOT NULL,
  epoch text NOT NULL,
  committed_at timestamptz NOT NULL DEFAULT now(),
  changes jsonb NOT NULL,
  sha256 text NOT NULL,
  actor text NOT NULL,
  published_at timestamptz,
  PRIMARY KEY (org_id, revision)
);

CREATE TABLE app_user (
  id uuid PRIMARY KEY,
  email text NOT NULL,
  password_hash text NOT NULL,
  superadmin boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX app_user_email ON app_user (lower(email));

-- Refresh tokens, hashed; one family per sign-in.
CREATE TABLE refresh_token (
  token_hash bytea PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES app_user (id) ON DELETE CASCADE,
  family uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  used_at timestamptz
);
CREATE INDEX refresh_token_family ON refresh_token (family);
CREATE INDEX refresh_token_user ON refresh_token (user_id);

-- `record` is the record as the node sent it; columns are what lists filter by.
CREATE TABLE call_record (
  id uuid PRIMARY KEY,
  org_id text NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
  call_id uuid NOT NULL,
  node_id text NOT NULL,
  campaign_id text NOT NULL,
  version integer,
  caller text,
  outcome text NOT NULL,
  disposition text,
  started_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  record jsonb NOT NULL
);
CREATE INDEX call_record_started ON call_record (org_id, started_at DESC, id DESC);
CREATE INDEX call_record_campaign ON call_record (org_id, campaign_id, started_at DESC, id DESC);
CREATE UNIQUE INDEX call_record_call ON call_record (org_id, call_id);

CREATE TABLE call_event (
  id uuid PRIMARY KEY,
  org_id text NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
  call_id uuid NOT NULL,
  seq integer NOT NULL,
  occurred_at timestamptz NOT NULL,
  record jsonb NOT NULL
);
CREATE INDEX call_event_call ON call_event (org_id, call_id, seq);

-- call_start and agent records: what live views need, trimmed by later work.
CREATE TABLE activity_record (
  id uuid PRIMARY KEY,
  org_id text NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
  type text NOT NULL CHECK (type IN ('call_start', 'agent')),
  occurred_at timestamptz NOT NULL,
  record jsonb NOT NULL
);
CREATE INDEX activity_record_recent ON activity_record (org_id, type, occurred_at DESC);
