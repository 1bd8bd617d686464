-- Bot nodes as they last told of themselves: one row for each organization that a node serves.
CREATE TABLE node_status (
  org_id text NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
  node_id text NOT NULL CHECK (node_id ~ '^[a-z0-9][a-z0-9.-]{0,62}$'),
  last_seen_at timestamptz NOT NULL DEFAULT now(),
  status jsonb NOT NULL,
  PRIMARY KEY (org_id, node_id)
);

-- What a node is to do for an organization. issued_at has milliseconds and grows with every order of the organization.
CREATE TABLE node_order (
  org_id text NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
  node_id text NOT NULL,
  state text NOT NULL CHECK (state IN ('active', 'draining')),
  issued_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, node_id)
);
CREATE INDEX node_order_issued ON node_order (org_id, issued_at DESC);

-- While a canary stands: the version that everyone else keeps.
ALTER TABLE campaign ADD COLUMN canary_base integer;
ALTER TABLE campaign ADD CHECK ((canary IS NULL) = (canary_base IS NULL));
