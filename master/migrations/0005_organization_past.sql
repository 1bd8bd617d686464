-- What an organization had come to when it was deleted: one that is made under the same name goes on from there, so that neither its revisions nor its
-- keys are ones that nodes and callers of the old one know.
CREATE TABLE organization_past (
  id text PRIMARY KEY,
  revision bigint NOT NULL,
  generation integer NOT NULL,
  deleted_at timestamptz NOT NULL DEFAULT now()
);
