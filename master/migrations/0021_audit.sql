-- Who did what: a chain of entries for each organization, in which each entry's hash covers the one before. No foreign key: what an organization had done
-- outlives it. Append-only twice over: by grants for the role of requests and for the owner, and by a trigger for whoever is above grants.
-- A semicolon within a block stands at the start of a line.
CREATE TABLE audit_log (
  org_id text NOT NULL,
  seq bigint NOT NULL CHECK (seq >= 1),
  id uuid NOT NULL,
  at timestamptz NOT NULL,
  actor jsonb NOT NULL,
  action text NOT NULL,
  target text NOT NULL,
  before jsonb,
  after jsonb,
  request_id text,
  address text,
  hash bytea NOT NULL,
  PRIMARY KEY (org_id, seq)
);
CREATE INDEX audit_log_by_action ON audit_log (org_id, action, seq);

-- How many entries a chain has and the hash of the last: a tail that is cut off is missed by it. Its row is what writers of a chain wait for.
CREATE TABLE audit_head (
  org_id text PRIMARY KEY,
  seq bigint NOT NULL,
  hash bytea NOT NULL
);

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege'
; END $$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_head_kept BEFORE DELETE OR TRUNCATE ON audit_head FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only;
ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_kept;
REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM CURRENT_USER;
REVOKE DELETE, TRUNCATE ON audit_head FROM CURRENT_USER;

DO $$ DECLARE tenant text
; BEGIN
  FOREACH tenant IN ARRAY ARRAY['audit_log', 'audit_head']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant)
    ; EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant)
    ; EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = (SELECT current_setting(''voiceoi.org'', true)) OR (SELECT current_setting(''voiceoi.org'', true)) = ''*'')', tenant)
  ; END LOOP
  ; IF to_regrole('voiceoi_tenant') IS NOT NULL THEN
    GRANT SELECT, INSERT ON audit_log TO voiceoi_tenant
    ; GRANT SELECT, INSERT, UPDATE ON audit_head TO voiceoi_tenant
  ; END IF
; END $$;
